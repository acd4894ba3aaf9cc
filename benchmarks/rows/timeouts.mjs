import { CancellationToken, CancellationTokenSource } from '@uno-async/core'

// A window of 1 000 at once, as a busy server has: all 100 000 at once measure the garbage collector.
const through = (n, set, clear) => {
  const window = []
  for (let i = 0; i < n; i++) {
    if (window.length === 1000) clear(window[i % 1000])
    window[i % 1000] = set()
  }
  window.forEach(clear)
}
const ignore = () => {}

export const name = '100 000 timeouts set, listened to and cleared, 1 000 at once'
export const unit = 'ns'
export const n = 100_000
export const goal = { setTimeout: 1, 'AbortSignal.timeout': 6 }
export const note =
  'a source, its token, a deadline and an entry, where setTimeout makes one object'
export const subjects = {
  CancellationTokenSource: async () => ({
    run(n) {
      through(
        n,
        () => {
          const source = new CancellationTokenSource({ timeout: 5000 })
          source.token.onCancelled(ignore)
          return source
        },
        (source) => source.close(),
      )
    },
  }),
  'CancellationToken.timeout, polled only': async () => ({
    run(n) {
      through(
        n,
        () => CancellationToken.timeout(5000),
        (token) => token.throwIfCancelled(),
      )
    },
  }),
  setTimeout: async () => ({
    run(n) {
      through(n, () => setTimeout(ignore, 5000), clearTimeout)
    },
  }),
  'AbortSignal.timeout': async () => ({
    run(n) {
      through(
        n,
        () => {
          const signal = AbortSignal.timeout(5000)
          signal.addEventListener('abort', ignore)
          return signal
        },
        (signal) => signal.removeEventListener('abort', ignore),
      )
    },
  }),
}
