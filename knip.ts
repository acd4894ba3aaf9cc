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
  // workspaces of their own, with dependencies of their own
  ignore: ['{benchmarks,site}/**'],
  ignoreBinaries: ['mkfifo'], // the system's
  workspaces: {
    '.': { entry: ['scripts/*.mjs'] },
    ...Object.fromEntries(packages),
    'examples/*': { entry: ['{src,dashboard}/*.ts', 'test/**/*.test.ts'], project: ['**/*.ts'] },
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
    // its dependencies are for the code blocks of the pages; what those lack, tsc says
    docs: { entry: ['test/*.ts'], ignoreDependencies: [/./] },
  },
} satisfies KnipConfig
