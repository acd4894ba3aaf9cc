import { AsyncCache } from '@uno-async/cache'
import { LRUCache } from 'lru-cache'
import pMemoize from 'p-memoize'
import { promiseAll } from '../floor.mjs'

const callers = 100
const load = async (key) => key

/** Of each key, `callers` ask at once. */
const together = (make) => ({
  async run(n) {
    const get = make()
    for (let key = 0; key * callers < n; key++) {
      await Promise.all(Array.from({ length: callers }, () => get(key)))
    }
  },
})

export const name = 'A cache: one of 100 who ask for the same at once'
export const unit = 'ns'
export const n = 10_000
export const goal = { 'p-memoize': 1 }
export const note = 'each caller has a promise of their own, where p-memoize hands out one'
export const subjects = {
  'AsyncCache.get': async () =>
    together(() => {
      const cache = new AsyncCache({ load })
      return (key) => cache.get(key)
    }),
  'p-memoize': async () => together(() => pMemoize(load)),
  'lru-cache fetch': async () =>
    together(() => {
      const cache = new LRUCache({ max: 1000, fetchMethod: load })
      return (key) => cache.fetch(key)
    }),
  ...promiseAll,
}
