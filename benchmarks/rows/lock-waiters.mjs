import { AsyncLock } from '@uno-async/sync'
import Lock from 'async-lock'
import { Mutex } from 'async-mutex'
import pLimit from 'p-limit'
import { promiseAll } from '../floor.mjs'

const job = () => 1
const all = (n, start) => Promise.all(Array.from({ length: n }, start))

export const name = '10 000 jobs waiting for one lock'
export const unit = 'ns'
export const n = 10_000
export const sizes = [100, 1_000, 10_000, 100_000]
export const goal = { 'async-lock': 1.7, 'p-limit': 2, 'async-mutex': 2 }
export const subjects = {
  'AsyncLock.run': async () => {
    const lock = new AsyncLock()
    return { run: (n) => all(n, () => lock.run(job)) }
  },
  'async-lock': async () => {
    const lock = new Lock({ maxPending: Infinity })
    return { run: (n) => all(n, () => lock.acquire('key', job)) }
  },
  'p-limit': async () => {
    const limit = pLimit(1)
    return { run: (n) => all(n, () => limit(job)) }
  },
  'async-mutex': async () => {
    const lock = new Mutex()
    return { run: (n) => all(n, () => lock.runExclusive(job)) }
  },
  ...promiseAll,
}
