import { AsyncLock } from '@uno-async/sync'
import { awaitedLocks } from '../peers.mjs'

export const name = 'A free lock taken without waiting, where a peer has to await'
export const unit = 'ns'
export const goal = { 'es-toolkit': 15, '@esfx/async-semaphore': 15 }
export const note =
  'the lease is an object; the goal counts an await as 170 ns, here it is a fifth of that'
export const subjects = {
  'tryAcquire, release': async () => {
    const lock = new AsyncLock()
    return {
      run(n) {
        for (let i = 0; i < n; i++) lock.tryAcquire().release()
      },
    }
  },
  ...awaitedLocks,
}
