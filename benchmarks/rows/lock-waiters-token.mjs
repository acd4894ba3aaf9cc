import { CancellationTokenSource } from '@uno-async/core'
import { AsyncLock } from '@uno-async/sync'
import { CancellationTokenSource as PrexSource, Semaphore } from 'prex'

export const name = '10 000 waiters for one lock, each with a token of its own'
export const unit = 'ns'
export const n = 10_000
export const sizes = [100, 1_000, 10_000, 100_000]
export const goal = { prex: 1.7 }
export const subjects = {
  AsyncLock: async () => {
    const lock = new AsyncLock()
    return {
      async run(n) {
        const held = await lock.acquire()
        const waiting = Array.from({ length: n }, async () => {
          const { token } = new CancellationTokenSource()
          const lease = await lock.acquire({ signal: token })
          lease.release()
        })
        held.release()
        await Promise.all(waiting)
      },
    }
  },
  prex: async () => {
    const semaphore = new Semaphore(1)
    return {
      async run(n) {
        await semaphore.wait()
        const waiting = Array.from({ length: n }, async () => {
          const { token } = new PrexSource()
          await semaphore.wait(token)
          semaphore.release()
        })
        semaphore.release()
        await Promise.all(waiting)
      },
    }
  },
}
