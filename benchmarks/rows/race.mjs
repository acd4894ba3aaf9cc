import { CancellationTokenSource } from '@uno-async/core'
import { execute } from 'abort-controller-x'
import { awaitSettled } from '../floor.mjs'

const settled = Promise.resolve(1)
const ignore = () => {}

export const name = 'Race a promise with a token'
export const unit = 'ns'
export const goal = { 'Promise.race and a listener': 2, 'abort-controller-x': 2 }
export const note = 'a promise, two handlers and an entry for each'
export const subjects = {
  'token.race': async () => {
    const { token } = new CancellationTokenSource()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await token.race(settled)
      },
    }
  },
  'Promise.race and a listener': async () => {
    const { signal } = new AbortController()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) {
          let listener
          const aborted = new Promise((_, reject) => {
            listener = () => reject(signal.reason)
            signal.addEventListener('abort', listener)
          })
          try {
            await Promise.race([settled, aborted])
          } finally {
            signal.removeEventListener('abort', listener)
          }
        }
      },
    }
  },
  'abort-controller-x': async () => {
    const { signal } = new AbortController()
    return {
      async run(n) {
        for (let i = 0; i < n; i++) {
          await execute(signal, (resolve, reject) => {
            settled.then(resolve, reject)
            return ignore
          })
        }
      },
    }
  },
  ...awaitSettled,
}
