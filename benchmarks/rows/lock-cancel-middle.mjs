import { CancellationTokenSource } from '@uno-async/core'
import { AsyncLock } from '@uno-async/sync'
import { CancellationTokenSource as PrexSource, Semaphore } from 'prex'

const reason = new Error('no longer needed')
const ignore = () => {}

export const name = 'Cancel every second of 10 000 waiters'
export const unit = 'ns'
export const n = 10_000
export const sizes = [100, 1_000, 10_000, 100_000]
export const goal = { prex: 8 }
export const subjects = {
  AsyncLock: async () => {
    const lock = new AsyncLock()
    return {
      async run(n) {
        const held = await lock.acquire()
        const sources = []
        const waiting = Array.from({ length: n }, () => {
          const source = new CancellationTokenSource()
          sources.push(source)
          return lock.acquire({ signal: source.token }).then((lease) => lease.release(), ignore)
        })
        for (let i = 0; i < n; i += 2) sources[i].cancel(reason)
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
        const sources = []
        const waiting = Array.from({ length: n }, () => {
          const source = new PrexSource()
          sources.push(source)
          return semaphore.wait(source.token).then(() => semaphore.release(), ignore)
        })
        for (let i = 0; i < n; i += 2) sources[i].cancel()
        semaphore.release()
        await Promise.all(waiting)
      },
    }
  },
}
