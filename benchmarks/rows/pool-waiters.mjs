import { promiseAll } from '../floor.mjs'
import { pools } from '../pools.mjs'

const crowd = (open) => async () => {
  const { take, give } = await open()
  return {
    run: (n) =>
      Promise.all(
        Array.from({ length: n }, async () => {
          give(await take())
        }),
      ),
  }
}

export const name = 'A pool: 1 000 who want one of 10 resources'
export const unit = 'ns'
export const n = 1000
export const sizes = [100, 1_000, 10_000, 100_000]
export const goal = { 'generic-pool': 2 }
export const note = 'each waiter has a lease, a place in the line, and may leave it'
export const subjects = {
  ...Object.fromEntries(Object.entries(pools).map(([name, open]) => [name, crowd(open)])),
  ...promiseAll,
}
