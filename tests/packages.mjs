import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readPackages } from '../scripts/workspace.mjs'

/** Runs a command, gives its output. @type {(cwd: string, command: string, ...args: string[]) => string} */
export const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

const npmInstall = ['install', '--no-audit', '--no-fund', '--loglevel=error']

/** Packs a folder, gives the tarball. @param {string} dir @param {string} to */
export const pack = (dir, to) =>
  JSON.parse(run(dir, 'pnpm', 'pack', '--json', '--pack-destination', to)).filename

/** Packs all packages, gives the tarball of each by its name. @param {string} to @returns {Record<string, string>} */
export const packAll = (to) =>
  Object.fromEntries(readPackages().map(({ dir, json }) => [json.name, pack(dir, to)]))

/** Makes a project that depends on these tarballs, and installs it without asking a registry. */
export const makeProject = (
  /** @type {string} */ dir,
  /** @type {Record<string, string>} */ tarballs,
  /** @type {object} */ json = {},
) => {
  const dependencies = Object.entries(tarballs).map(([name, tarball]) => [name, `file:${tarball}`])
  mkdirSync(dir, { recursive: true })
  writeFileSync(
    join(dir, 'package.json'),
    JSON.stringify({ private: true, ...json, dependencies: Object.fromEntries(dependencies) }),
  )
  run(dir, 'npm', ...npmInstall, '--offline')
}

/** What is too big to be everybody's dependency: installed when first asked for, kept in temp/npm. Gives its node_modules. */
export const fetchPackages = (/** @type {string[]} */ ...specs) => {
  const dir = resolve('temp/npm', specs.join('+').replaceAll('/', '-'))
  if (!existsSync(dir)) {
    const unfinished = `${dir}.${process.pid}`
    mkdirSync(unfinished, { recursive: true })
    writeFileSync(join(unfinished, 'package.json'), '{"private":true}')
    try {
      run(unfinished, 'npm', ...npmInstall, '--legacy-peer-deps', ...specs)
      renameSync(unfinished, dir)
    } catch (error) {
      rmSync(unfinished, { recursive: true })
      throw error
    }
  }
  return join(dir, 'node_modules')
}
