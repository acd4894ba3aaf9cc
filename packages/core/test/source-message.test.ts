import { CancellationTokenSource, report, TimeoutError } from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the message of a source', () => {
  it('is that of its TimeoutError, also after cancelAfter', () => {
    const source = new CancellationTokenSource({ timeout: 50, message: 'too slow' })
    source.cancelAfter(10)
    vi.advanceTimersByTime(10)
    expect(source.token.reason).toBeInstanceOf(TimeoutError)
    expect(source.token.reason).toMatchObject({ message: 'too slow', timeout: 10 })
  })
})

describe('report', () => {
  it('hands an error to reportError', () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const error = new Error('of a hook')
    report(error)
    vi.unstubAllGlobals()
    expect(reported.mock.calls).toEqual([[error]])
  })
})
