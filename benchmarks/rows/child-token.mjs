import { CancellationTokenSource } from '@uno-async/core'
import { awaitSettled } from '../floor.mjs'

const ignore = () => {}

export const name = 'A child of a long-lived token: derive, listen, dispose'
export const unit = 'ns'
export const goal = { 'AbortSignal.any': 25, 'AbortController chain': 12 }
export const subjects = {
  CancellationTokenSource: async () => {
    const parent = new CancellationTokenSource()
    return {
      run(n) {
        for (let i = 0; i < n; i++) {
          const child = new CancellationTokenSource({ signal: parent.token })
          child.token.onCancelled(ignore).dispose()
          child.close()
        }
      },
    }
  },
  'AbortSignal.any': async () => {
    const parent = new AbortController()
    return {
      run(n) {
        for (let i = 0; i < n; i++) {
          const child = AbortSignal.any([parent.signal])
          child.addEventListener('abort', ignore)
          child.removeEventListener('abort', ignore)
        }
      },
    }
  },
  'AbortController chain': async () => {
    const parent = new AbortController()
    return {
      run(n) {
        for (let i = 0; i < n; i++) {
          const child = new AbortController()
          const abort = () => child.abort(parent.signal.reason)
          parent.signal.addEventListener('abort', abort)
          child.signal.addEventListener('abort', ignore)
          child.signal.removeEventListener('abort', ignore)
          parent.signal.removeEventListener('abort', abort)
        }
      },
    }
  },
  ...awaitSettled,
}
