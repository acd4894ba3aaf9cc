import { AsyncLock } from '@uno-async/sync'
import PQueue from 'p-queue'

const job = () => 1

export const name = '1 000 jobs waiting for one lock, all with one AbortSignal'
export const unit = 'ns'
export const n = 1000
export const goal = { 'p-queue': 9 }
export const subjects = {
  'AsyncLock.run': async () => {
    const lock = new AsyncLock()
    return {
      run(n) {
        const { signal } = new AbortController()
        return Promise.all(Array.from({ length: n }, () => lock.run(job, { signal })))
      },
    }
  },
  'p-queue': async () => {
    const queue = new PQueue({ concurrency: 1 })
    return {
      run(n) {
        const { signal } = new AbortController()
        return Promise.all(Array.from({ length: n }, () => queue.add(job, { signal })))
      },
    }
  },
}
