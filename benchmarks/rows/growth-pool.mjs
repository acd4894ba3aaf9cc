import { growth } from '../growth.mjs'
import { pools } from '../pools.mjs'

export const { name, unit, n, goal, subjects } = growth(
  'A pool of 10 as more wait: take and give back',
  'waiting',
  async () => {
    const { take, give } = await pools.AsyncResourcePool()
    const user = async () => {
      give(await take())
    }
    return (size) => Promise.all(Array.from({ length: size }, user))
  },
)
