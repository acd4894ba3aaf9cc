import { AsyncCache } from '@uno-async/cache'
import { LRUCache } from 'lru-cache'
import pMemoize from 'p-memoize'

const load = async (key) => key

// Keys are new each time; a cache of its own for each run, so that nobody keeps them all.
const loading = (make) => ({
  async run(n) {
    const get = make()
    for (let i = 0; i < n; i++) await get(i)
  },
})

export const name = 'A cache: load what is not there'
export const unit = 'ns'
export const n = 10_000
export const sizes = [100, 1_000, 10_000, 100_000]
export const goal = { 'p-memoize': 1.3 }
export const note =
  'each caller has a promise of their own, and a value its place in the order of eviction'
export const subjects = {
  'AsyncCache.get': async () =>
    loading(() => {
      const cache = new AsyncCache({ load })
      return (key) => cache.get(key)
    }),
  'p-memoize': async () => loading(() => pMemoize(load)),
  'AsyncCache.get, 1 000 entries': async () =>
    loading(() => {
      const cache = new AsyncCache({ load, maxSize: 1000 })
      return (key) => cache.get(key)
    }),
  'lru-cache fetch, 1 000 entries': async () =>
    loading(() => {
      const cache = new LRUCache({ max: 1000, fetchMethod: load })
      return (key) => cache.fetch(key)
    }),
  'await of the loader': async () => loading(() => load),
}
