import { AsyncLock } from '@uno-async/sync'
import Lock from 'async-lock'

const job = () => 1
const timeout = 60_000

export const name = '10 000 jobs waiting for one lock, each with a timeout'
export const unit = 'ns'
export const n = 10_000
export const goal = { 'async-lock': 3 }
export const subjects = {
  'AsyncLock.run': async () => {
    const lock = new AsyncLock()
    return { run: (n) => Promise.all(Array.from({ length: n }, () => lock.run(job, { timeout }))) }
  },
  'async-lock': async () => {
    const lock = new Lock({ maxPending: Infinity, timeout })
    return {
      run: (n) => Promise.all(Array.from({ length: n }, () => lock.acquire('key', job))),
    }
  },
}
