import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { configDefaults, defineConfig, type Plugin } from 'vitest/config'

const packages = fileURLToPath(new URL('./packages', import.meta.url))

/** '@uno-async/sync' → packages/sync/src/index.ts, '@uno-async/sync/debug' → packages/sync/src/debug.ts */
export const toSource = [
  { find: /^@uno-async\/([a-z]+)$/, replacement: `${packages}/$1/src/index.ts` },
  { find: /^@uno-async\/([a-z]+)\/([a-z-]+)$/, replacement: `${packages}/$1/src/$2.ts` },
]

/** oxc lowers `using`, but not standard decorators; esbuild does both. */
export const esbuildTs = (): Plugin => ({
  name: 'esbuild-ts',
  enforce: 'pre',
  async transform(code, id) {
    const file = id.split('?')[0] ?? id
    if (!/\.[mc]?ts$/.test(file) || file.includes('/node_modules/')) return null
    const out = await transform(code, {
      loader: 'ts',
      target: 'es2022',
      sourcemap: 'external',
      sourcefile: file,
      tsconfigRaw: {
        compilerOptions: { useDefineForClassFields: false, verbatimModuleSyntax: true },
      },
    })
    return { code: out.code, map: out.map }
  },
})

// what counts the heap, or switches async context on, which cannot be switched off again
const heap = 'packages/*/test/**/{leak,leaks,memory}.test.ts'
const async = 'packages/*/test/**/*.async.test.ts'
// a lease that is collected is destroyed under whatever test runs then
const leases = 'packages/pool/test/**/*.test.ts'
const long = 'packages/*/test/**/*.{model,race}.test.ts'
const exclude = [...configDefaults.exclude, '**/*.types.test.ts', '**/test/faults/**']
const include = ['packages/*/test/**/*.test.ts']

export default defineConfig({
  oxc: false,
  plugins: [esbuildTs()],
  test: {
    exclude,
    // a busy machine is slow, not wrong: CI looks again before it says so
    retry: process.env['CI'] ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // every core works: by default one of two would only watch
    maxWorkers: '100%',
    // leak tests call globalThis.gc
    execArgv: ['--expose-gc', '--max-semi-space-size=32'],
    // what is built runs as Node itself loads it
    server: { deps: { external: [/\/packages\/[a-z]+\/dist\//] } },
    reporters: ['default', ['json', { outputFile: 'temp/vitest.json' }]],
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**/*.ts'],
      reporter: ['text', 'json-summary'],
      thresholds: { lines: 80, branches: 60 },
    },
    // without isolation each worker loads everything once, not once a file
    projects: [
      // the sources: no build needed, coverage counts here
      {
        extends: true,
        resolve: { alias: toSource },
        test: { name: 'src', include, exclude: [...exclude, heap, async, leases], isolate: false },
      },
      {
        extends: true,
        resolve: { alias: toSource },
        test: { name: 'src-alone', include: [heap, async, leases] },
      },
      // the same tests through package.json exports, on dist; what counts long or tries much, once is enough
      {
        extends: true,
        test: {
          name: 'dist',
          include,
          exclude: [...exclude, heap, async, leases, long],
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'dist-alone', include: [async, leases], exclude: [...exclude, heap, long] },
      },
      // the code blocks of the Markdown files
      {
        extends: true,
        resolve: { alias: toSource },
        test: { name: 'docs', include: ['docs/{temp,test}/*.test.ts'], isolate: false },
      },
      { extends: true, test: { name: 'examples', include: ['examples/*/test/**/*.test.ts'] } },
      { extends: true, test: { name: 'tests', include: ['tests/**/*.test.ts'] } },
    ],
  },
})
