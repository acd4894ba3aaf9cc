import { CancellationTokenSource } from '@uno-async/core'

export const name = 'Add and remove a listener'
export const unit = 'ns'
export const goal = { AbortSignal: 10 }
export const note = 'an entry and the closure of who listens are allocated each time'
export const subjects = {
  CancellationToken: async () => {
    const { token } = new CancellationTokenSource()
    return {
      run(n) {
        for (let i = 0; i < n; i++) token.onCancelled(() => {}).dispose()
      },
    }
  },
  AbortSignal: async () => {
    const { signal } = new AbortController()
    return {
      run(n) {
        for (let i = 0; i < n; i++) {
          const listener = () => {}
          signal.addEventListener('abort', listener)
          signal.removeEventListener('abort', listener)
        }
      },
    }
  },
}
