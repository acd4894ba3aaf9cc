import { AsyncSemaphore as Esfx } from '@esfx/async-semaphore'
import { AsyncLock } from '@uno-async/sync'
import { Mutex as AsyncMutex } from 'async-mutex'
import { Mutex } from 'es-toolkit'
import { awaitSettled } from '../floor.mjs'

export const name = 'A free lock: await acquire, release'
export const unit = 'ns'
export const goal = { 'await of a settled promise': 0.5 }
export const subjects = {
  AsyncLock: async () => {
    const lock = new AsyncLock()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) (await lock.acquire()).release()
      },
    }
  },
  'es-toolkit': async () => {
    const lock = new Mutex()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) {
          await lock.acquire()
          lock.release()
        }
      },
    }
  },
  '@esfx/async-semaphore': async () => {
    const semaphore = new Esfx(1)
    return {
      async run(n) {
        for (let i = 0; i < n; i++) {
          await semaphore.wait()
          semaphore.release()
        }
      },
    }
  },
  'async-mutex': async () => {
    const lock = new AsyncMutex()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) (await lock.acquire())()
      },
    }
  },
  ...awaitSettled,
}
