// Stands in for fast-check where a run is to be longer or shorter than the tests say (see vitest.runs.ts): FC_RUNS is how
// many times each property is tried, FC_SEED what it starts from.
import * as fc from 'fast-check'

const { FC_RUNS, FC_SEED } = process.env

const assert: typeof fc.assert = (property, params) =>
  fc.assert(property as never, {
    ...params,
    ...(FC_RUNS && { numRuns: Number(FC_RUNS) }),
    ...(FC_SEED && { seed: Number(FC_SEED) }),
  }) as never

export * from 'fast-check'
export { assert }
export default { ...fc, assert }
