import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { alias } from './apps/launch.js'

const bundle = async (names: string): Promise<string> => {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${names} } from '@uno-async/lifecycle'`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
    alias,
  })
  return String(outputFiles[0]?.text).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
}

it('has no process code in a browser bundle without runApplication', async () => {
  const code = await bundle('AsyncManager, getAsyncManager, asTask')
  expect(code).toMatch(/shutdownTimeout/)
  expect(code.match(/\bprocess\b|node:|SIGTERM|getBuiltinModule/g)).toBe(null)
})

it('imports nothing of Node anywhere', async () => {
  expect(await bundle('runApplication')).not.toMatch(/\bfrom ["']|import ?\(/)
})
