import { AsyncLock } from '@uno-async/sync'
import { Mutex as AsyncMutex } from 'async-mutex'
import { awaitSettled } from '../floor.mjs'
import { awaitedLocks } from '../peers.mjs'

export const name = 'A free lock: await acquire, release'
export const unit = 'ns'
export const goal = { 'await of a settled promise': 0.5 }
export const note =
  'a look at the clock, about 50 ns, for `heldFor`, and a lease of its own; the goal counts an await as 170 ns'
export const subjects = {
  AsyncLock: async () => {
    const lock = new AsyncLock()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) (await lock.acquire()).release()
      },
    }
  },
  ...awaitedLocks,
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
