// Packs every package, installs each tarball with core's, and nothing else, into an empty project, and uses all its
// entries from ESM, CommonJS and TypeScript. Called from the root, on built packages: `pnpm test:pack`
import { deepStrictEqual as equal } from 'node:assert'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readPackages } from '../../scripts/workspace.mjs'

const tsc = resolve('node_modules/typescript/bin/tsc')
const work = mkdtempSync(join(tmpdir(), 'uno-async-pack-'))

/** @type {(cwd: string, command: string, ...args: string[]) => string} */
const run = (cwd, command, ...args) => execFileSync(command, args, { cwd, encoding: 'utf8' })

/** @param {string} dir */
const pack = (dir) =>
  JSON.parse(run(dir, 'pnpm', 'pack', '--json', '--pack-destination', work)).filename

/** @param {string} project @param {string[]} specifiers */
const typecheck = (project, specifiers, module = '', moduleResolution = '') => {
  const uses = specifiers.map((it, i) => `import * as m${i} from '${it}'\nexport { m${i} }\n`)
  for (const file of ['use.mts', 'use.cts', 'use.ts'])
    writeFileSync(join(project, file), uses.join(''))
  const options = ['--strict', '--noEmit', '--target', 'es2022']
  const lib = ['--lib', 'es2022,esnext.disposable,dom']
  const files = module === 'nodenext' ? ['use.mts', 'use.cts'] : ['use.ts']
  const how = ['--module', module, '--moduleResolution', moduleResolution]
  run(project, process.execPath, tsc, ...options, ...lib, ...how, ...files)
}

const packages = readPackages()
const tarballs = Object.fromEntries(packages.map(({ dir, name }) => [name, pack(dir)]))
let failed = 0

for (const { name, entries } of packages) {
  const project = join(work, name)
  const specifiers = entries.map(({ specifier }) => specifier)
  const alone = [...new Set(['core', name])]
  const dependencies = alone.map((it) => [`@uno-async/${it}`, `file:${tarballs[it]}`])
  const printExports = (/** @type {string} */ how) =>
    `${how}.then((all) => console.log(JSON.stringify(all.map((it) => Object.keys(it).filter((key) => key !== 'default' && key !== 'module.exports').sort()))))`
  const list = JSON.stringify(specifiers)
  mkdirSync(project)
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ private: true, dependencies: Object.fromEntries(dependencies) }),
  )

  /** @type {Record<string, () => void>} */
  const checks = {
    'installs with nothing but core': () => {
      run(project, 'npm', 'install', '--offline', '--no-audit', '--no-fund', '--loglevel=error')
      const visible = (/** @type {string} */ path) =>
        readdirSync(join(project, path)).filter((it) => !it.startsWith('.'))
      equal(visible('node_modules'), ['@uno-async'])
      equal(visible('node_modules/@uno-async'), alone.sort())
    },
    'exports the same to import and require': () => {
      const esm = printExports(`Promise.all(${list}.map((it) => import(it)))`)
      const cjs = printExports(`Promise.resolve(${list}.map((it) => require(it)))`)
      writeFileSync(join(project, 'use.mjs'), esm)
      writeFileSync(join(project, 'use.cjs'), cjs)
      equal(run(project, 'node', 'use.cjs'), run(project, 'node', 'use.mjs'))
    },
    'has types for nodenext': () => typecheck(project, specifiers, 'nodenext', 'nodenext'),
    'has types for bundlers': () => typecheck(project, specifiers, 'esnext', 'bundler'),
  }
  for (const [what, check] of Object.entries(checks)) {
    try {
      check()
      console.log(`✓ ${name} ${what}`)
    } catch (error) {
      failed++
      const { stdout = '', message } = /** @type {any} */ (error)
      console.error(`✗ ${name} ${what}\n${message}\n${stdout}`)
    }
  }
}
rmSync(work, { recursive: true })
process.exitCode = failed ? 1 : 0
