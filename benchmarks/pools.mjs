// Pools of 10 that two rows compare: how to take what is idle, and how to give it back.
import { AsyncResourcePool } from '@uno-async/pool'
import genericPool from 'generic-pool'
import { Pool as LightningPool } from 'lightning-pool'
import { Pool as Tarn } from 'tarn'

const create = async () => ({})
const destroy = async () => {}
const max = 10

/** With all resources made. */
const warm = async ({ take, give }) => {
  for (const it of await Promise.all(Array.from({ length: max }, take))) give(it)
  await new Promise((resolve) => setTimeout(resolve, 10))
  return { take, give }
}

export const pools = {
  AsyncResourcePool: async () => {
    const pool = new AsyncResourcePool({ create, max })
    return warm({ take: () => pool.acquire(), give: (lease) => lease.release() })
  },
  'lightning-pool': async () => {
    const pool = new LightningPool({ create, destroy }, { max, maxQueue: 100_000 })
    pool.start()
    return warm({ take: () => pool.acquire(), give: (it) => pool.release(it) })
  },
  'generic-pool': async () => {
    const pool = genericPool.createPool({ create, destroy }, { max })
    return warm({ take: () => pool.acquire(), give: (it) => pool.release(it) })
  },
  tarn: async () => {
    const pool = new Tarn({ create, destroy, min: 0, max })
    return warm({ take: () => pool.acquire().promise, give: (it) => pool.release(it) })
  },
}
