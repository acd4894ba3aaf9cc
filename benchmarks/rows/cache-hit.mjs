import { AsyncCache } from '@uno-async/cache'
import { LRUCache } from 'lru-cache'
import { awaitSettled } from '../floor.mjs'

const size = 1024
const keys = Array.from({ length: size }, (_, i) => `key-${i}`)
const load = async (key) => key

/** All keys are there; each is read in turn. */
const reading = async (get) => {
  for (const key of keys) await get(key)
  return {
    async run(n) {
      for (let i = 0; i < n; i++) await get(keys[i & (size - 1)])
    },
  }
}

export const name = 'A cache: read what is there, as a promise'
export const unit = 'ns'
export const goal = { 'lru-cache fetch': 1.5 }
export const note = 'a value with a ttl costs a look at the clock, about 50 ns'
export const subjects = {
  'AsyncCache.get': async () => {
    const cache = new AsyncCache({ load, maxSize: size })
    return reading((key) => cache.get(key))
  },
  'lru-cache fetch': async () => {
    const cache = new LRUCache({ max: size, fetchMethod: load })
    return reading((key) => cache.fetch(key))
  },
  'AsyncCache.get, with a ttl': async () => {
    const cache = new AsyncCache({ load, maxSize: size, ttl: 600_000 })
    return reading((key) => cache.get(key))
  },
  'lru-cache fetch, with a ttl': async () => {
    const cache = new LRUCache({ max: size, fetchMethod: load, ttl: 600_000 })
    return reading((key) => cache.fetch(key))
  },
  ...awaitSettled,
}
