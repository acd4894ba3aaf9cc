import { CancellationTokenSource } from '@uno-async/core'
import { closeServer } from '@uno-async/lifecycle'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** A server that is closed when `end` is called; `cut` is what happens to its connections. */
function fake(cut: (end: () => void) => void) {
  let end = () => {}
  return {
    close: (callback: () => void) => {
      end = callback
    },
    closeIdleConnections: vi.fn(),
    closeAllConnections: vi.fn(() => cut(end)),
  }
}

it('resolves when what it cuts at a cancellation is gone', async () => {
  const server = fake((end) => void setTimeout(end, 1))
  const source = new CancellationTokenSource()
  const closing = closeServer(server, { signal: source.token })
  await vi.advanceTimersByTimeAsync(100)
  source.cancel()
  await vi.advanceTimersByTimeAsync(50)
  await expect(closing).resolves.toBe(undefined)
  expect(server.closeAllConnections).toHaveBeenCalledTimes(1)
})

it('loses patience with a connection that it cannot cut, and throws what it was cancelled with', async () => {
  const server = fake(() => {})
  const controller = new AbortController()
  const patience = new Error('patience')
  const closing = closeServer(server, { signal: controller.signal })
  const refused = expect(closing).rejects.toBe(patience)
  await vi.advanceTimersByTimeAsync(100)
  controller.abort(patience)
  await vi.advanceTimersByTimeAsync(50)
  await refused
  expect(server.closeAllConnections).toHaveBeenCalledTimes(1)
})

it('does not wait for it at all if it was cancelled before', async () => {
  const patience = new Error('patience')
  const closing = closeServer(
    fake(() => {}),
    { signal: AbortSignal.abort(patience) },
  )
  const refused = expect(closing).rejects.toBe(patience)
  await vi.advanceTimersByTimeAsync(50)
  await refused
})
