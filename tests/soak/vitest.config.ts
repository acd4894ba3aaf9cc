// The race and model tests of all packages on their sources, tried as often as FC_RUNS says, from FC_SEED on
import { defineConfig } from 'vitest/config'
import config, { toSource } from '../../vitest.config.ts'
import { root, runsFromEnvironment } from '../runs.ts'

const { projects: _, ...test } = config.test ?? {}

export default defineConfig({
  ...config,
  root,
  plugins: [...(config.plugins ?? []), runsFromEnvironment()],
  resolve: { alias: toSource },
  test: {
    ...test,
    include: ['packages/*/test/**/*{model,race}*.test.ts'],
    testTimeout: 3_600_000,
    retry: 0,
    reporters: ['dot'],
  },
})
