import { AsyncCache } from '@uno-async/cache'
import { LRUCache } from 'lru-cache'
import { bareMap } from '../floor.mjs'

const size = 1024
const keys = Array.from({ length: size }, (_, i) => `key-${i}`)

const reading = (get) => ({
  run(n) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += get(keys[i & (size - 1)])
    return sum
  },
})

export const name = 'A cache: read what is there, at once'
export const unit = 'ns'
export const goal = { 'lru-cache get': 1 }
export const subjects = {
  'AsyncCache.peek': async () => {
    const cache = new AsyncCache({ maxSize: size })
    for (const [i, key] of keys.entries()) await cache.set(key, i)
    return reading((key) => cache.peek(key))
  },
  'lru-cache get': async () => {
    const cache = new LRUCache({ max: size })
    for (const [i, key] of keys.entries()) cache.set(key, i)
    return reading((key) => cache.get(key))
  },
  ...bareMap,
}
