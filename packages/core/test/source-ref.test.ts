import { CancellationTokenSource } from '@uno-async/core'
import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => void vi.restoreAllMocks())

it.each([
  [undefined, false],
  [false, false],
  [true, true],
])(
  'a source with `ref: %s` keeps the process alive while somebody listens: %s',
  (ref, expected) => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const refs = () => set.mock.results.map(({ value }) => value.hasRef())
    const source = new CancellationTokenSource({ timeout: 5_000, ref })
    expect(refs()).toEqual([])
    source.token.onCancelled(() => {})
    expect(refs()).toEqual([expected])
    source.cancelAfter(10_000)
    expect(refs().at(-1)).toBe(expected)
    source.close()
  },
)

it('a source with `ref: true` keeps it alive under a deadline that comes first and does not', () => {
  const set = vi.spyOn(globalThis, 'setTimeout')
  const clear = vi.spyOn(globalThis, 'clearTimeout')
  const kept = () =>
    set.mock.results
      .map(({ value }) => value)
      .filter((timer) => timer.hasRef() && !clear.mock.calls.some(([it]) => it === timer)).length
  const outer = new CancellationTokenSource({ timeout: 1_000 })
  const source = new CancellationTokenSource({ signal: outer.token, timeout: 5_000, ref: true })
  source.token.onCancelled(() => {})
  expect(kept()).toBe(1)
  outer.cancel()
  expect(kept()).toBe(0)
})
