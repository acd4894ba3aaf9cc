// Looks long where a test looks once: race and model tests from new seeds for SOAK_TIME milliseconds (ten minutes), a million
// operations of each primitive, 200 rolling restarts, a minute of load on the pool while its database is killed. Called from
// the root, on built packages: `pnpm soak [races heap restarts pool]`
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'

const { SOAK_TIME = '600000', FC_RUNS = '1000' } = process.env

/** @type {(env: Record<string, string>, ...args: string[]) => boolean} */
const node = (env, ...args) =>
  spawnSync(process.execPath, args, { env: { ...process.env, ...env }, stdio: 'inherit' })
    .status === 0

const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config']
const faults = [...vitest, 'vitest.faults.config.ts']

/** What was done, and whether it went well. @type {Record<string, () => [string, boolean]>} */
const parts = {
  races() {
    const until = performance.now() + Number(SOAK_TIME)
    let rounds = 0
    do {
      rounds++
      const env = { FC_RUNS, FC_SEED: String(randomInt(2 ** 31)) }
      if (node(env, ...vitest, 'tests/soak/vitest.config.ts')) continue
      const again = `FC_RUNS=${FC_RUNS} FC_SEED=${env.FC_SEED} pnpm vitest run --config tests/soak/vitest.config.ts`
      return [`failed in round ${rounds}; again with: ${again}`, false]
    } while (performance.now() < until)
    return [`${rounds} seeds, ${FC_RUNS} runs of each property from each`, true]
  },
  heap: () => ['1 000 000 operations of each', node({}, '--expose-gc', 'tests/soak/heap.mjs')],
  restarts: () => ['200 rolling restarts', node({ ROUNDS: '200' }, ...faults, 'rolling-restart')],
  pool: () => [
    'a minute of load',
    node({ POOL_FAULTS_TIME: '60000' }, ...faults, 'packages/pool/test/faults/postgres'),
  ],
}

const named = process.argv.slice(2)
const unknown = named.filter((name) => !(name in parts))
if (unknown.length) throw new Error(`No such part: ${unknown}. There are ${Object.keys(parts)}`)

const lines = (named.length ? named : Object.keys(parts)).map((name) => {
  const [what, good] = parts[name]()
  if (!good) process.exitCode = 1
  return `${good ? '✓' : '✗'} ${name}: ${what}`
})
console.log(`\n${lines.join('\n')}`)
