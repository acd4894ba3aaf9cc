import { transform } from 'esbuild'
import { defineConfig, type Options } from 'tsup'
import { readPackage } from './scripts/workspace.mjs'

type Plugin = NonNullable<Options['plugins']>[number]

/** Turns split files into CommonJS with esbuild; what tsup uses for it would lower `?.` and `??` to slow helpers. */
const splitCommonJs: Plugin = {
  name: 'split-common-js',
  async renderChunk(code, { type, map }) {
    if (this.format !== 'cjs' || type !== 'chunk') return
    this.splitting = false // or tsup does it once more
    const url = `data:application/json;base64,${Buffer.from(String(map)).toString('base64')}`
    return transform(`${code}\n//# sourceMappingURL=${url}`, {
      format: 'cjs',
      platform: 'node',
      target: 'es2022',
      banner: "'use strict';",
      sourcemap: 'external',
    })
  },
}

/** How every package is built: one entry for each path that its package.json exports. */
export const base = (overrides: Options = {}): ReturnType<typeof defineConfig> =>
  defineConfig({
    entry: readPackage('.').entries.map(({ source }) => source),
    format: ['esm', 'cjs'],
    target: 'es2022',
    tsconfig: 'tsconfig.build.json',
    // tsup 8 passes baseUrl to its d.ts build, which TypeScript 6 rejects without this
    dts: { compilerOptions: { ignoreDeprecations: '6.0', stripInternal: true } },
    sourcemap: true,
    clean: true,
    // what two entries share goes into a chunk of its own: a class must not exist twice
    splitting: true,
    plugins: [splitCommonJs],
    ...overrides,
  })
