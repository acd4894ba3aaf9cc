import { AsyncSemaphore as Esfx } from '@esfx/async-semaphore'
import { AsyncLock } from '@uno-async/sync'
import { Mutex } from 'es-toolkit'

export const name = 'A free lock taken without waiting, where a peer has to await'
export const unit = 'ns'
export const goal = { 'es-toolkit': 15, '@esfx/async-semaphore': 15 }
export const subjects = {
  'tryAcquire, release': async () => {
    const lock = new AsyncLock()
    return {
      run(n) {
        for (let i = 0; i < n; i++) lock.tryAcquire().release()
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
}
