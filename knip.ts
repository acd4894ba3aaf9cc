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
  workspaces: {
    '.': { entry: ['scripts/*.mjs'] },
    ...Object.fromEntries(packages),
    'examples/*': { entry: ['src/*.ts', 'test/**/*.test.ts'], project: ['**/*.ts'] },
    // its dependencies are for the code blocks of the pages; what those lack, tsc says
    docs: { entry: ['test/*.ts'], ignoreDependencies: [/./] },
    tests: { entry: ['**/*.test.ts', 'pack/*.mjs'], project: ['**/*.{ts,mjs}'] },
  },
} satisfies KnipConfig
