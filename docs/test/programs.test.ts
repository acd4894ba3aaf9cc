import { type ExecFileException, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { expect, it } from 'vitest'

const temp = fileURLToPath(new URL('../temp/', import.meta.url))

it('runs the recipe for node:test', async () => {
  const run = promisify(execFile)(process.execPath, [
    '--test',
    '--test-reporter=tap',
    `${temp}offers.test.mjs`,
  ])
  const { stdout } = await run.catch((error: ExecFileException) => error)
  expect(stdout).toContain('# pass 1')
})

it.each(['before', 'after'])('closes with grace, %s', async (which) => {
  const source = await readFile(`${temp}close-${which}.ts`, 'utf8')
  const { code } = await transform(source, { loader: 'ts', target: 'es2022' })
  const file = `${temp}close-${which}.mjs`
  await writeFile(file, code)
  const child = spawn(process.execPath, [file])
  let text = ''
  child.stdout.on('data', (data) => {
    text += data
    if (text === 'listening\n') child.kill('SIGTERM')
  })
  const [status] = await once(child, 'close')
  expect([text, status]).toEqual(['listening\nSIGTERM\nclosed\n', 0])
})
