// Real databases, browsers and long runs of child processes, on the built packages: `pnpm test:faults`
import { defineConfig } from 'vitest/config'
import { esbuildTs } from './vitest.config.ts'

export default defineConfig({
  oxc: false,
  plugins: [esbuildTs()],
  test: {
    // real servers and processes, on a machine that may be busy: CI looks again
    retry: process.env['CI'] ? 2 : 0,
    include: ['{packages,examples}/*/test/faults/**/*.test.ts'],
    passWithNoTests: true,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    execArgv: ['--expose-gc'],
    server: { deps: { external: [/\/packages\/[a-z]+\/dist\//] } },
    reporters: ['default', ['json', { outputFile: 'temp/vitest.faults.json' }]],
  },
})
