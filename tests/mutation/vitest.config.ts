// The tests of one package on its sources, which Stryker breaks a thousand times: without those that count long, that
// compile or that start a process
import { defineConfig } from 'vitest/config'
import config, { toSource } from '../../vitest.config.ts'
import { root, runsFromEnvironment } from '../runs.ts'

process.env['FC_RUNS'] ??= '100'

const { projects: _, exclude = [], ...test } = config.test ?? {}

export default defineConfig({
  ...config,
  root,
  plugins: [...(config.plugins ?? []), runsFromEnvironment()],
  resolve: { alias: toSource },
  test: {
    ...test,
    include: [`packages/${process.env['PACKAGE']}/test/**/*.test.ts`],
    exclude: [
      ...exclude,
      '**/{bundle,child-process,leak,leaks,many,matrix,process}.test.ts',
      '**/*.async.test.ts', // whoever comes after would have async context, too
    ],
    isolate: false, // a thousand runs, each without loading everything for every file
    testTimeout: 5_000, // what is broken often hangs
    execArgv: [], // Stryker runs tests in threads, which have none of their own
    retry: 0,
    reporters: ['default'],
  },
})
