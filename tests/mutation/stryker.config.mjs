// One package at a time, named by PACKAGE: see mutate.mjs
const name = process.env['PACKAGE']

export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'tests/mutation/vitest.config.ts' },
  mutate: [`packages/${name}/src/**/*.ts`],
  coverageAnalysis: 'perTest',
  testRunnerNodeArgs: ['--expose-gc'],
  concurrency: Number(process.env['CONCURRENCY'] ?? 2),
  timeoutMS: 8_000,
  ignorePatterns: ['benchmarks', 'docs', 'examples', 'temp', '**/.turbo'],
  incremental: true, // what a test noticed, and has not changed since, is not tried again
  incrementalFile: `temp/mutation/${name}.incremental.json`,
  tempDirName: `temp/mutation/${name}`,
  reporters: ['progress-append-only', 'json'],
  jsonReporter: { fileName: `temp/mutation/${name}.json` },
  allowConsoleColors: false,
}
