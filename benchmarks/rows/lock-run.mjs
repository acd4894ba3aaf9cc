import { AsyncLock } from '@uno-async/sync'
import Lock from 'async-lock'
import { awaitSettled } from '../floor.mjs'

const job = () => 1

export const name = 'A free lock: run a job under it'
export const unit = 'ns'
export const goal = { 'async-lock': 3 }
export const note =
  'the clock is a fifth of it, the promise of the outcome and the flow that holds the lock most of the rest'
export const subjects = {
  'AsyncLock.run': async () => {
    const lock = new AsyncLock()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await lock.run(job)
      },
    }
  },
  'async-lock': async () => {
    const lock = new Lock()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await lock.acquire('key', job)
      },
    }
  },
  ...awaitSettled,
}
