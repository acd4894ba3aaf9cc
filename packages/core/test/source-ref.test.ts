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
