import { CancellationTokenSource } from '@uno-async/core'

const ignore = () => {}

export const name = '10 000 children of one parent: derive, listen, cancel the parent'
export const unit = 'ns'
export const n = 10_000
export const sizes = [100, 1_000, 10_000, 100_000]
export const subjects = {
  CancellationTokenSource: async () => ({
    run(n) {
      const parent = new CancellationTokenSource()
      for (let i = 0; i < n; i++) {
        new CancellationTokenSource({ signal: parent.token }).token.onCancelled(ignore)
      }
      parent.cancel()
    },
  }),
  'AbortController chain': async () => ({
    run(n) {
      const parent = new AbortController()
      for (let i = 0; i < n; i++) {
        const child = new AbortController()
        child.signal.addEventListener('abort', ignore)
        parent.signal.addEventListener('abort', () => child.abort(parent.signal.reason))
      }
      parent.abort()
    },
  }),
}
