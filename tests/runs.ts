import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Has tests import fast-check.ts, which listens to FC_RUNS and FC_SEED, in place of fast-check. */
export const runsFromEnvironment = (): Plugin => {
  const ours = fileURLToPath(new URL('fast-check.ts', import.meta.url))
  return {
    name: 'runs-from-environment',
    enforce: 'pre',
    resolveId: (id, importer) => (id === 'fast-check' && importer !== ours ? ours : undefined),
  }
}
