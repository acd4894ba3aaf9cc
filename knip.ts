import type { KnipConfig } from 'knip'
import { readPackages } from './scripts/workspace.mjs'

const packages = readPackages().map(({ dir, entries }) => [
  dir,
  {
    entry: [...entries.map(({ name }) => `src/${name}.ts`), 'test/**/*.test.ts'],
    project: ['{src,test}/**/*.ts'],
  },
])

export default {
  // a workspace of its own, with dependencies of its own
  ignore: ['benchmarks/**'],
  workspaces: {
    '.': { entry: ['scripts/*.mjs'] },
    ...Object.fromEntries(packages),
    'examples/*': { entry: ['src/*.ts', 'test/**/*.test.ts'], project: ['**/*.ts'] },
    tests: {
      entry: [
        '**/*.test.ts',
        '*/*.mjs',
        'runtimes/smoke/main.mjs',
        '*/vitest.config.ts',
        'fast-check.ts',
      ],
      project: ['**/*.{ts,mjs}', '!pack/consumers/**'],
    },
  },
} satisfies KnipConfig
