// A release from beginning to end, without the world: versions and publishes a copy of what is here to a registry in
// memory, twice, the second time with a core that the other packages of the first do not accept, and installs from there as
// people would: the newest of all, and old and new side by side. Called from the root, on built packages: `pnpm release:dry`
import { deepStrictEqual as equal, ok } from 'node:assert'
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { readPackages } from '../../scripts/workspace.mjs'
import { startRegistry } from './registry.mjs'

const work = mkdtempSync(join(tmpdir(), 'uno-async-release-'))
const copy = join(work, 'copy')
const packages = readPackages()
const registry = await startRegistry()
const npmrc = join(work, 'npmrc')
writeFileSync(
  npmrc,
  `registry=${registry.url}/\n${registry.url.slice('http:'.length)}/:_authToken=none\ncache=${join(work, 'cache')}\nfund=false\naudit=false\n`,
)
const env = {
  ...process.env,
  CI: 'true',
  npm_config_userconfig: npmrc,
  npm_config_registry: `${registry.url}/`,
  GIT_AUTHOR_NAME: 'release',
  GIT_AUTHOR_EMAIL: 'release@localhost',
  GIT_COMMITTER_NAME: 'release',
  GIT_COMMITTER_EMAIL: 'release@localhost',
}

/** @type {(cwd: string, command: string, ...args: string[]) => Promise<string>} */
const run = async (cwd, command, ...args) => {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env, encoding: 'utf8' })
  return stdout
}
const changeset = (/** @type {string} */ command) =>
  run(copy, process.execPath, resolve('node_modules/@changesets/cli/bin.js'), command)
const commit = async (/** @type {string} */ message) => {
  await run(copy, 'git', 'add', '--all')
  await run(copy, 'git', 'commit', '--quiet', '--no-verify', '--allow-empty', '--message', message)
}
const manifest = (/** @type {string} */ dir) =>
  JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
const versions = () =>
  Object.fromEntries(packages.map(({ dir, name }) => [name, manifest(join(copy, dir)).version]))

/** The versions of core in a tree that npm made. @param {string} project */
const cores = async (project) => {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['ls', '@uno-async/core', '--all', '--parseable', '--long'],
    { cwd: project, env, encoding: 'utf8' },
  )
  return [...new Set([...stdout.matchAll(/@uno-async\/core@([\d.]+)/g)].map(([, it]) => it))].sort()
}

/** An empty project with these installed from the registry, and what a program prints in it. */
const consume = async (
  /** @type {string} */ name,
  /** @type {Record<string, string>} */ dependencies,
  /** @type {string} */ program,
) => {
  const project = join(work, name)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, dependencies }))
  await run(project, 'npm', 'install', '--loglevel=error')
  writeFileSync(join(project, 'use.mjs'), program)
  return { project, text: (await run(project, process.execPath, 'use.mjs')).trim() }
}

let failed = 0
/** @type {(what: string, check: () => Promise<void>) => Promise<void>} */
const check = async (what, check) => {
  try {
    await check()
    console.log(`✓ ${what}`)
  } catch (error) {
    failed++
    const { message, stdout = '', stderr = '' } = /** @type {any} */ (error)
    console.error(`✗ ${what}\n${message}\n${stdout}${stderr}`)
  }
}

await check('copies what is here, as it is', async () => {
  const list = await run('.', 'git', 'ls-files', '--cached', '--others', '--exclude-standard', '-z')
  for (const file of list.split('\0')) {
    if (!existsSync(file) || file === '') continue
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(file, join(copy, file))
  }
  for (const { dir, name } of packages) {
    cpSync(join(dir, 'dist'), join(copy, dir, 'dist'), { recursive: true })
    if (name === 'core') continue
    mkdirSync(join(copy, dir, 'node_modules/@uno-async'), { recursive: true })
    symlinkSync('../../../core', join(copy, dir, 'node_modules/@uno-async/core'))
  }
  await run(copy, 'git', 'init', '--quiet', '--initial-branch', 'main')
  await commit('what is here')
})

await check('versions by the changesets, and says what changed', async () => {
  const before = versions()
  await changeset('version')
  const after = versions()
  for (const { dir, name } of packages) {
    if (before[name] === after[name]) continue
    const changes = readFileSync(join(copy, dir, 'CHANGELOG.md'), 'utf8')
    ok(changes.includes(`## ${after[name]}`), `${name} ${after[name]} is not in its CHANGELOG`)
  }
  await commit('version packages')
})

const first = versions()
await check(`publishes ${JSON.stringify(first)}`, async () => {
  await changeset('publish')
  equal([...registry.packages.keys()].sort(), packages.map(({ json }) => json.name).sort())
  for (const [name, { versions }] of registry.packages) {
    const [[version, it]] = /** @type {[string, any][]} */ (Object.entries(versions))
    equal(version, first[name.replace('@uno-async/', '')])
    equal(
      it.dependencies ?? {},
      name.endsWith('/core') ? {} : { '@uno-async/core': `^${first.core}` },
    )
  }
})

await check('a breaking core gives every other package a new version', async () => {
  const text = `---\n'@uno-async/core': major\n---\n\nA break.\n`
  writeFileSync(join(copy, '.changeset/break.md'), text)
  await changeset('version')
  await commit('version packages')
  await changeset('publish')
  for (const { name } of packages) ok(versions()[name] !== first[name], `${name} was left behind`)
})

const second = versions()
const all = (/** @type {Record<string, string>} */ versions) =>
  Object.fromEntries(Object.entries(versions).map(([name, it]) => [`@uno-async/${name}`, it]))
const specifiers = packages.flatMap(({ entries }) => entries.map(({ specifier }) => specifier))
const importAll = `for (const it of ${JSON.stringify(specifiers)}) await import(it)\nconsole.log('ok')\n`

for (const [which, these] of Object.entries({ first, second })) {
  await check(`all of the ${which} release share one core`, async () => {
    const { project, text } = await consume(which, all(these), importAll)
    equal(text, 'ok')
    equal(await cores(project), [these.core])
  })
}

await check('old and new work together, each with its own core', async () => {
  const { project, text } = await consume(
    'mixed',
    all({
      core: second.core,
      tasks: first.tasks,
      decorators: first.decorators,
      sync: second.sync,
      pool: second.pool,
    }),
    `
import { CancellationTokenSource, CancelledError, delay, isTimeout, TimeoutError } from '@uno-async/core'
import { retry } from '@uno-async/decorators'
import { AsyncResourcePool } from '@uno-async/pool'
import { AsyncLock } from '@uno-async/sync'
import { runTasks } from '@uno-async/tasks'

const lock = new AsyncLock()
const pool = new AsyncResourcePool({ create: async () => ({}), max: 1 })
const held = await lock.acquire()
const source = new CancellationTokenSource()
const waiting = runTasks([1, 2], (_, token) => retry()(() => lock.run(() => pool.run(() => {}), { signal: token }))(), {
  signal: source.token,
}).catch((error) => error)
await delay(20)
const { waiting: before } = lock
const reason = new CancelledError('stop')
source.cancel(reason)
const late = await runTasks([(token) => delay(1000, { signal: token })], { timeout: 5 }).catch((error) => error)
console.log(JSON.stringify([
  before, lock.waiting, (await waiting) === reason, late instanceof TimeoutError, isTimeout(late),
]))
held.release()
await pool.close()
`,
  )
  equal(JSON.parse(text), [2, 0, true, true, true])
  equal(await cores(project), [first.core, second.core].sort())
})

registry.close()
rmSync(work, { recursive: true })
process.exitCode = failed ? 1 : 0
