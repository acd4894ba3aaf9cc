import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { readPackages } from '../scripts/workspace.mjs'

/** Makes esbuild forget `sideEffects: false`, so that it has to find out for itself. */
const suspicious: Plugin = {
  name: 'suspicious',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[.@]/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === suspicious) return undefined
      const found = await resolve(path, { ...rest, pluginData: suspicious })
      return { path: found.path, errors: found.errors, sideEffects: true }
    })
  },
}

describe.each(readPackages())('packages/$name', ({ dir, name, json, entries }) => {
  it('has the files that every package has', () => {
    const files = [
      'README.md',
      'api-extractor.json',
      `etc/${name}.api.md`,
      'size.json',
      'src/index.ts',
      'tsconfig.build.json',
      'tsconfig.json',
      'tsup.config.ts',
    ]
    expect(files.filter((file) => !existsSync(join(dir, file)))).toEqual([])
  })

  it('depends on core, if anything, at run time', () => {
    const core = name === 'core' ? undefined : { '@uno-async/core': 'workspace:^' }
    expect(json.dependencies).toEqual(core)
    expect([json.peerDependencies, json.optionalDependencies]).toEqual([undefined, undefined])
  })

  it('promises no side effects, but for the polyfill', () => {
    const polyfill = name === 'core' && ['./dist/polyfill.js', './dist/polyfill.cjs']
    expect(json.sideEffects).toEqual(polyfill)
  })

  it.each(entries.filter(({ name: entry }) => entry !== 'polyfill'))(
    'runs nothing when $specifier is imported',
    async ({ js }) => {
      const { outputFiles } = await build({
        stdin: { contents: `import ${JSON.stringify(`./${js}`)}`, resolveDir: '.' },
        bundle: true,
        write: false,
        minify: true,
        format: 'esm',
        external: ['node:*'],
        plugins: [suspicious],
      })
      expect(outputFiles[0]?.text.trim()).toBe('')
    },
  )

  it('has a README of under 80 lines, with the sections that every README has', () => {
    const text = readFileSync(join(dir, 'README.md'), 'utf8')
    expect(text.split('\n').length - 1).toBeLessThan(80)
    expect(text.match(/^#+ .*/gm)).toEqual([
      `# @uno-async/${name}`,
      '## When to use it, and when not',
      '## Exports',
      '## Guarantees',
      '## Size',
    ])
    expect(text).toMatch(/<!-- size -->\n\| import.*/) // the figures are checked by `pnpm size`
  })

  it('has no source file over 400 lines', () => {
    const long = readdirSync(join(dir, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .filter((file) => readFileSync(join(dir, 'src', file), 'utf8').split('\n').length > 401)
    expect(long).toEqual([])
  })
})
