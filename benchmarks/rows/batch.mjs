import { AsyncBatcher } from '@uno-async/cache'
import DataLoader from 'dataloader'
import { promiseAll } from '../floor.mjs'

const all = (n, add) => Promise.all(Array.from({ length: n }, (_, i) => add(i)))
const load = async (ids) => ids
const maxBatchSize = 100

export const name = '100 000 adds to a batcher, in batches of 100'
export const unit = 'ns'
export const n = 100_000
export const sizes = [100, 1_000, 10_000, 100_000]
export const goal = { dataloader: 1 }
export const note = 'who adds can leave: each has a promise of their own and a place in the batch'
export const subjects = {
  'AsyncBatcher.add': async () => {
    const batcher = new AsyncBatcher(load, { maxBatchSize })
    return { run: (n) => all(n, (item) => batcher.add(item)) }
  },
  // As ours: every item counts, and none is kept.
  dataloader: async () => {
    const loader = new DataLoader(load, { cache: false, maxBatchSize })
    return { run: (n) => all(n, (item) => loader.load(item)) }
  },
  ...promiseAll,
}
