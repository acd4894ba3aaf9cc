// Breaks the sources in every way that Stryker knows, and looks whether a test turns red. Called from the root:
// `pnpm mutate [package …]`; lists what nobody noticed, and fails under 85 %. CONCURRENCY is how many try at once.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPackages } from '../../scripts/workspace.mjs'
import { fetchPackages } from '../packages.mjs'

const modules = fetchPackages('@stryker-mutator/core@9.6.1', '@stryker-mutator/vitest-runner@9.6.1')
const stryker = join(modules, '@stryker-mutator/core/bin/stryker.js')
const named = process.argv.slice(2)
const lines = []

for (const name of named.length ? named : readPackages().map((it) => it.name)) {
  const { status } = spawnSync(
    process.execPath,
    [stryker, 'run', 'tests/mutation/stryker.config.mjs'],
    { stdio: 'inherit', env: { ...process.env, PACKAGE: name } },
  )
  if (status !== 0) throw new Error(`Stryker ended with ${status}`)
  const { files } = JSON.parse(readFileSync(`temp/mutation/${name}.json`, 'utf8'))
  /** @type {Record<string, number>} */
  const counts = { Killed: 0, Timeout: 0, Survived: 0, NoCoverage: 0 }
  for (const [file, { mutants }] of Object.entries(files)) {
    for (const { status, location, replacement } of mutants) {
      counts[status] = (counts[status] ?? 0) + 1
      if (status !== 'Survived' && status !== 'NoCoverage') continue
      console.log(`${file}:${location.start.line}:${location.start.column} ${replacement}`)
    }
  }
  const found = counts.Killed + counts.Timeout
  const missed = counts.Survived + counts.NoCoverage
  const score = (100 * found) / (found + missed)
  if (score < 85) process.exitCode = 1
  const sum = `${counts.Killed} killed, ${counts.Timeout} timed out, ${missed} unnoticed`
  lines.push(`${score < 85 ? '✗' : '✓'} ${name}: ${score.toFixed(1)} % (${sum})`)
}
console.log(lines.join('\n'))
