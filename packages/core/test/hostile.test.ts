import { CancellationTokenSource, CancelledError, isCancelled, isTimeout } from '@uno-async/core'
import { describe, expect, it } from 'vitest'

const { proxy, revoke } = Proxy.revocable({}, {})
revoke()
const hostile = {
  'a revoked proxy': proxy,
  'an object whose getters throw': {
    get name() {
      throw new Error('name')
    },
  },
}

describe.each(Object.entries(hostile))('%s', (_, value) => {
  it('is neither a cancellation nor a timeout', () => {
    expect([isCancelled(value), isTimeout(value)]).toEqual([false, false])
  })

  it('can be the reason of a cancellation', () => {
    const source = new CancellationTokenSource()
    expect(source.cancel(value)).toBe(true)
    const error = source.token.error as CancelledError
    expect(error instanceof CancelledError && error.cause === value).toBe(true)
    expect(source.token.owns(error)).toBe(true)
  })
})
