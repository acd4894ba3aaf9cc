import { awaitSettled } from '../floor.mjs'
import { pools } from '../pools.mjs'

const cycle = (open) => async () => {
  const { take, give } = await open()
  return {
    async run(n) {
      for (let i = 0; i < n; i++) give(await take())
    },
  }
}

export const name = 'A pool: take a resource that is idle, and give it back'
export const unit = 'ns'
export const goal = { 'lightning-pool': 8 }
export const note =
  'an await, a promise, a lease and the clock; lightning-pool is quicker than when the goal was set'
export const subjects = {
  ...Object.fromEntries(Object.entries(pools).map(([name, open]) => [name, cycle(open)])),
  ...awaitSettled,
}
