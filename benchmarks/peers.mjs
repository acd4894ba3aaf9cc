// Peers that more than one row compares with. Spread what fits into a row's subjects.
import { AsyncSemaphore as Esfx } from '@esfx/async-semaphore'
import { Mutex } from 'es-toolkit'

/** A free lock, taken and given back. */
export const awaitedLocks = {
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
