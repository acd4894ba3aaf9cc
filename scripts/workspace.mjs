import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A package and what it exports. An entry `./debug` is built from src/debug.ts, `.` from src/index.ts.
 * @typedef {{ name: string, specifier: string, source: string, js: string, types: string }} Entry
 * @param {string} dir
 * @returns {{ dir: string, name: string, json: any, entries: Entry[] }}
 */
export const readPackage = (dir) => {
  const json = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
  const entries = Object.entries(json.exports)
    .filter(([, to]) => to.import)
    .map(([path, to]) => {
      const name = path === '.' ? 'index' : path.slice(2)
      return {
        name,
        specifier: json.name + path.slice(1),
        source: join(dir, 'src', `${name}.ts`),
        js: join(dir, to.import.default),
        types: join(dir, to.import.types),
      }
    })
  return { dir, name: json.name.replace('@uno-async/', ''), json, entries }
}

/** Every package in packages/. Called from the root. */
export const readPackages = () =>
  readdirSync('packages')
    .map((folder) => join('packages', folder))
    .filter((dir) => existsSync(join(dir, 'package.json')))
    .map(readPackage)
