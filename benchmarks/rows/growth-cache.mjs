import { AsyncCache } from '@uno-async/cache'
import { growth } from '../growth.mjs'

const load = async (key) => key

export const { name, unit, n, goal, subjects } = growth(
  'A cache as it grows: load and read a key',
  'keys',
  () => async (size) => {
    const cache = new AsyncCache({ load, ttl: 600_000, maxSize: size })
    for (let key = 0; key < size; key++) await cache.get(key)
    for (let key = 0; key < size; key++) await cache.get(key)
  },
)
