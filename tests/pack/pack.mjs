// Packs every package and uses it as others will: alone with core in an empty project, all of them together with every
// TypeScript since 5.4, and beside another version of core. Called from the root, on built packages: `pnpm test:pack`
import { deepStrictEqual as equal, match } from 'node:assert'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readPackages } from '../../scripts/workspace.mjs'
import { fetchPackages, makeProject, pack, packAll, run } from '../packages.mjs'

const compilers = ['7.0.2', '6.0.3', '5.9.3', '5.4.5']
const work = mkdtempSync(join(tmpdir(), 'uno-async-pack-'))
const packages = readPackages()
const tarballs = packAll(work)
let failed = 0

/** @param {string} title @param {() => void} check */
const check = (title, check) => {
  try {
    check()
    console.log(`✓ ${title}`)
  } catch (error) {
    failed++
    const { stdout = '', message } = /** @type {any} */ (error)
    console.error(`✗ ${title}\n${message}\n${stdout}`)
  }
}

const own = resolve('node_modules/typescript/bin/tsc')
const withDom = ['--lib', 'es2022,esnext.disposable,dom']
const nodenext = ['--module', 'nodenext', '--moduleResolution', 'nodenext']
const bundler = ['--module', 'esnext', '--moduleResolution', 'bundler']

/** @type {(project: string, tsc: string, files: string[], ...options: string[]) => void} */
const typecheck = (project, tsc, files, ...options) => {
  const all = ['--strict', '--noEmit', '--target', 'es2022', ...options, ...files]
  run(project, process.execPath, tsc, ...all)
}

for (const { name, json, entries } of packages) {
  const project = join(work, name)
  const specifiers = entries.map(({ specifier }) => specifier)
  const alone = [...new Set(['@uno-async/core', json.name])]
  const printExports = (/** @type {string} */ how) =>
    `${how}.then((all) => console.log(JSON.stringify(all.map((it) => Object.keys(it).filter((key) => key !== 'default' && key !== 'module.exports').sort()))))`
  const list = JSON.stringify(specifiers)

  check(`${name} installs with nothing but core`, () => {
    makeProject(project, Object.fromEntries(alone.map((it) => [it, tarballs[it]])))
    const visible = (/** @type {string} */ path) =>
      readdirSync(join(project, path)).filter((it) => !it.startsWith('.'))
    equal(visible('node_modules'), ['@uno-async'])
    const installed = visible('node_modules/@uno-async').map((it) => `@uno-async/${it}`)
    equal(installed, alone.sort())
  })
  check(`${name} exports the same to import and require`, () => {
    const esm = printExports(`Promise.all(${list}.map((it) => import(it)))`)
    const cjs = printExports(`Promise.resolve(${list}.map((it) => require(it)))`)
    writeFileSync(join(project, 'use.mjs'), esm)
    writeFileSync(join(project, 'use.cjs'), cjs)
    equal(run(project, 'node', 'use.cjs'), run(project, 'node', 'use.mjs'))
  })
  const uses = specifiers.map((it, i) => `import * as m${i} from '${it}'\nexport { m${i} }\n`)
  for (const file of ['use.mts', 'use.cts', 'use.ts'])
    writeFileSync(join(project, file), uses.join(''))
  check(`${name} has types for nodenext`, () =>
    typecheck(project, own, ['use.mts', 'use.cts'], ...withDom, ...nodenext),
  )
  check(`${name} has types for bundlers`, () =>
    typecheck(project, own, ['use.ts'], ...withDom, ...bundler),
  )
}

// all of them together
const together = join(work, 'together')
makeProject(together, tarballs, { type: 'module' })

// the project has another version of core than all that it uses
const two = join(work, 'two')
const { '@uno-async/core': core = '', ...others } = tarballs
run(work, 'tar', '-xzf', core)
const manifest = join(work, 'package/package.json')
const json = JSON.parse(readFileSync(manifest, 'utf8'))
writeFileSync(manifest, JSON.stringify({ ...json, version: '99.0.0' }))
const ofProject = pack(join(work, 'package'), work)
const ofOthers = { '@uno-async/core': `file:${core}` }
makeProject(
  two,
  { ...others, '@uno-async/core': ofProject, 'core-of-others': core },
  {
    type: 'module',
    overrides: Object.fromEntries(Object.keys(others).map((it) => [it, ofOthers])),
  },
)

for (const project of [together, two]) cpSync('tests/pack/consumers', project, { recursive: true })
const typeRoots = resolve('node_modules/@types')
const withoutDom = [
  '--lib',
  'es2022,esnext.disposable',
  '--types',
  'node',
  '--typeRoots',
  typeRoots,
]
for (const version of compilers) {
  const tsc = join(fetchPackages(`typescript@${version}`), 'typescript/bin/tsc')
  const files = ['all.ts', 'using.ts']
  /** @type {Record<string, () => void>} */
  const checks = {
    'for bundlers, with exact optional properties': () =>
      typecheck(together, tsc, files, ...withDom, ...bundler, '--exactOptionalPropertyTypes'),
    'for nodenext, with two versions of core': () =>
      typecheck(two, tsc, [...files, 'two-cores.ts'], ...withDom, ...nodenext),
    'without the DOM': () => typecheck(together, tsc, files, ...withoutDom, ...nodenext),
    'without Disposable': () => typecheck(together, tsc, ['all.ts'], '--skipLibCheck', ...bundler),
  }
  for (const [how, run] of Object.entries(checks)) check(`TypeScript ${version} ${how}`, run)
}

check('two versions of core work together', () => {
  for (const name of Object.keys(others)) {
    const nested = join(two, 'node_modules', name, 'node_modules/@uno-async/core/package.json')
    equal(JSON.parse(readFileSync(nested, 'utf8')).version, json.version)
  }
  cpSync('tests/runtimes/smoke', two, { recursive: true })
  match(run(two, 'node', 'main.mjs'), /(^|\n)[1-9]\d* passed, 0 failed\n$/)
})

rmSync(work, { recursive: true })
process.exitCode = failed ? 1 : 0
