import { CancellationTokenSource } from '@uno-async/core'

const count = 200_000
const ignore = () => {}

const kept = (each) => {
  globalThis.gc()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < count; i++) each()
  globalThis.gc()
  return Math.max(0.1, (process.memoryUsage().heapUsed - before) / count)
}

export const name = 'Bytes kept for each short-lived child of one parent, before the next macrotask'
export const unit = 'bytes'
export const subjects = {
  CancellationTokenSource: async () => {
    const parent = new CancellationTokenSource()
    return {
      run: () =>
        kept(() => {
          const child = new CancellationTokenSource({ signal: parent.token })
          child.token.onCancelled(ignore)
          child.close()
        }),
    }
  },
  'AbortSignal.any': async () => {
    const parent = new AbortController()
    return {
      run: () =>
        kept(() => {
          const child = AbortSignal.any([parent.signal])
          child.addEventListener('abort', ignore)
          child.removeEventListener('abort', ignore)
        }),
    }
  },
}
