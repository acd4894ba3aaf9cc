import { CancellationTokenSource } from '@uno-async/core'

export const name = 'Cancel with 1 000 listeners, for each'
export const unit = 'ns'
export const goal = { AbortController: 20 }
export const n = 100_000

export const subjects = {
  CancellationTokenSource: async () => ({
    run(n) {
      let called = 0
      for (let i = 0; i < n; i += 1000) {
        const source = new CancellationTokenSource()
        for (let j = 0; j < 1000; j++) source.token.onCancelled(() => called++)
        source.cancel()
      }
      return called
    },
  }),
  AbortController: async () => ({
    run(n) {
      let called = 0
      for (let i = 0; i < n; i += 1000) {
        const controller = new AbortController()
        for (let j = 0; j < 1000; j++) controller.signal.addEventListener('abort', () => called++)
        controller.abort()
      }
      return called
    },
  }),
}
