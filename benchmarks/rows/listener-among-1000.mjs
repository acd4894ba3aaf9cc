import { CancellationTokenSource } from '@uno-async/core'

export const name = 'Add and remove a listener, among 1 000 others'
export const unit = 'ns'
export const goal = { AbortSignal: 100 }
export const subjects = {
  CancellationToken: async () => {
    const { token } = new CancellationTokenSource()
    for (let i = 0; i < 1000; i++) token.onCancelled(() => {})
    return {
      run(n) {
        for (let i = 0; i < n; i++) token.onCancelled(() => {}).dispose()
      },
    }
  },
  AbortSignal: async () => {
    const { signal } = new AbortController()
    for (let i = 0; i < 1000; i++) signal.addEventListener('abort', () => {})
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
