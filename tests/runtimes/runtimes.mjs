// Uses what was packed on every runtime: the smoke suite everywhere, on Node the tests of all packages on what was built,
// too. Called from the root, on built packages: `pnpm test:runtimes [node24 bun …] [--smoke]`. Says what it skips, and why.
import { deepStrictEqual as equal } from 'node:assert'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { build } from 'esbuild'
import { readPackages } from '../../scripts/workspace.mjs'
import { fetchPackages, makeProject, packAll, run } from '../packages.mjs'
import { inBrowser } from './browser.mjs'

const cpu = process.arch === 'arm64' ? 'arm64' : 'x64'
const project = mkdtempSync(join(tmpdir(), 'uno-async-runtimes-'))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { smoke: { type: 'boolean' } },
})

class Unavailable extends Error {}

/** What npm has of a runtime. */
const fromNpm = (/** @type {string} */ spec, /** @type {string} */ name) => {
  try {
    return join(fetchPackages(spec), '.bin', name)
  } catch (error) {
    const { stderr, message } = /** @type {any} */ (error)
    throw new Unavailable(`npm could not install ${spec}: ${stderr || message}`)
  }
}

const onPath = (/** @type {string[]} */ ...names) => {
  for (const name of names) {
    try {
      return run('.', 'which', name).trim()
    } catch {
      // the next one
    }
  }
  throw new Unavailable(`no ${names.join(' or ')} on this machine`)
}

/** What a command prints, whatever it ends with. */
const outputOf = async (/** @type {string} */ file, /** @type {string[]} */ ...args) => {
  const options = { cwd: project, maxBuffer: 1e8, timeout: 120_000 }
  try {
    return (await promisify(execFile)(file, args, options)).stdout.trim()
  } catch (error) {
    const { stdout = '', stderr = '', message } = /** @type {any} */ (error)
    return `${stdout}${stderr}`.trim() || message
  }
}

/** The tests of all packages under another Node. */
const suite = async (/** @type {string} */ node) => {
  const report = resolve('temp/vitest.json') // as vitest.config.ts has it
  rmSync(report, { force: true })
  const vitest = resolve('node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--project=dist*', '--retry=1', '--reporter=json']
  const options = { maxBuffer: 1e8 }
  const outcome = await promisify(execFile)(node, args, options).catch((error) => error)
  if (!existsSync(report)) return `${outcome.stdout}${outcome.stderr}`
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const lines = testResults.flatMap(({ name, message, assertionResults }) => [
    ...(message ? [`✗ ${name}: ${message}`] : []),
    ...assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => `✗ ${fullName}: ${failureMessages.join('\n')}`),
  ])
  const failed = numFailedTests || (outcome instanceof Error ? 1 : 0)
  return [...lines, `${numPassedTests} passed, ${failed} failed`].join('\n')
}

const node = (/** @type {string} */ version) => async () => {
  const binary = fromNpm(`node-linux-${cpu}@${version}`, 'node')
  const smoke = await outputOf(binary, 'main.mjs')
  return { version, smoke, ...(values.smoke ? {} : { suite: await suite(binary) }) }
}

/** Bundled, as such workers are; `date` decides whether they see what is Node's. */
const workerd = (/** @type {string} */ date) => async () => {
  const version = '1.20261117.1'
  const binary = fromNpm(`workerd@${version}`, 'workerd')
  const contents = `
    import { smoke } from './smoke.mjs'
    export default { test: () => smoke(console.log) }`
  await build({
    stdin: { contents, resolveDir: project },
    outfile: join(project, 'worker.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
  })
  const config = `
    using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (services = [(name = "smoke", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "${date}",
    ))]);`
  writeFileSync(join(project, 'config.capnp'), config)
  return { version, smoke: await outputOf(binary, 'test', 'config.capnp') }
}

const browser =
  (
    /** @type {string[]} */ names,
    /** @type {(profile: string, url: string) => string[]} */ argsFor,
  ) =>
  async () => {
    const binary = onPath(...names)
    const version = (await outputOf(binary, '--version')).match(/[\d.]+/)?.[0]
    const imports = readPackages()
      .flatMap(({ dir, entries }) => entries.map((entry) => ({ dir, ...entry })))
      .map(({ dir, name, specifier, js }) => {
        const root = name === 'index' ? specifier : specifier.slice(0, -name.length - 1)
        return [specifier, `/node_modules/${root}${js.slice(dir.length)}`]
      })
    const smoke = await inBrowser(project, Object.fromEntries(imports), (profile, url) => [
      binary,
      ...argsFor(profile, url),
    ])
    return { version, smoke }
  }

/** @type {Record<string, () => Promise<{ version: string | undefined, smoke: string, suite?: string }>>} */
const runtimes = {
  node20: node('20.20.2'),
  node22: node('22.23.3'),
  node24: node('24.21.0'),
  node26: node('26.10.0'),
  async bun() {
    const version = '1.4.5'
    return { version, smoke: await outputOf(fromNpm(`bun@${version}`, 'bun'), 'main.mjs') }
  },
  async deno() {
    const version = '2.9.6'
    const flags = ['--allow-all', '--no-lock', '--node-modules-dir=manual']
    const binary = fromNpm(`deno@${version}`, 'deno')
    return { version, smoke: await outputOf(binary, 'run', ...flags, 'main.mjs') }
  },
  workerd: workerd('2026-11-01'),
  'workerd-without-node': workerd('2026-07-01'),
  chromium: browser(['chromium', 'google-chrome'], (profile, url) => [
    '--headless',
    '--no-sandbox',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--user-data-dir=${profile}`,
    url,
  ]),
  firefox: browser(['firefox-esr', 'firefox'], (profile, url) => [
    '--headless',
    '--no-remote',
    '--profile',
    profile,
    url,
  ]),
}

const chosen = positionals.length ? positionals : Object.keys(runtimes)
const unknown = chosen.filter((name) => !(name in runtimes))
if (unknown.length)
  throw new Error(`No such runtime: ${unknown}. There are ${Object.keys(runtimes)}`)

const counts = { passed: 0, failed: 0, skipped: 0 }
try {
  makeProject(project, packAll(project))
  cpSync('tests/runtimes/smoke', project, { recursive: true })
  const { entries } = await import(pathToFileURL(join(project, 'smoke.mjs')).href)
  const specifiers = readPackages().flatMap((it) => it.entries.map(({ specifier }) => specifier))
  equal(entries.map(({ specifier }) => specifier).sort(), specifiers.sort())
  for (const name of chosen) {
    const start = performance.now()
    try {
      const { version, ...parts } = await runtimes[name]()
      const lines = Object.entries(parts).map(([part, text]) => [part, text.split('\n')])
      const good = lines.every(([, text]) => /^[1-9]\d* passed, 0 failed$/.test(text.at(-1)))
      counts[good ? 'passed' : 'failed']++
      const sums = lines.map(([part, text]) => `${part} ${text.at(-1)}`).join('; ')
      const seconds = ((performance.now() - start) / 1000).toFixed(1)
      console.log(`${good ? '✓' : '✗'} ${name} (${version}): ${sums}, ${seconds} s`)
      if (!good) console.log(lines.flatMap(([, text]) => text.slice(0, -1)).join('\n'))
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      counts.skipped++
      console.log(`- ${name}: skipped, ${error.message}`)
    }
  }
} finally {
  rmSync(project, { recursive: true, force: true })
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed ? 1 : 0
