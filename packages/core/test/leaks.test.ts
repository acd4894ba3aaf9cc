import { CancellationToken, CancellationTokenSource, delay, WaitQueue } from '@uno-async/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { collected, heap, hooksOf, listeners } from './helpers.js'

vi.setConfig({ testTimeout: 30_000 })

const COUNT = 100_000
const MEGABYTE = 2 ** 20

afterEach(() => vi.restoreAllMocks())

/** Runs it once to warm up, then again, and gives what is left of the second time in megabytes. */
async function grown(run: () => unknown): Promise<number> {
  await run()
  const before = await heap()
  await run()
  return ((await heap()) - before) / MEGABYTE
}

describe('100 000 times', () => {
  it('derive, listen, dispose on one parent leaves nothing', async () => {
    const parent = new CancellationTokenSource()
    const other = new CancellationTokenSource()
    const more = await grown(() => {
      for (let i = 0; i < COUNT; i++) {
        const child = new CancellationTokenSource({ signal: parent.token, timeout: 60_000 })
        const token = CancellationToken.any(child.token, other.token)
        token.onCancelled(() => i).dispose()
      }
    })
    expect(more).toBeLessThan(2)
    expect([hooksOf(parent.token), hooksOf(other.token)]).toEqual([0, 0])
  })

  it('derive and read on one parent leaves nothing', async () => {
    const parent = new CancellationTokenSource()
    const more = await grown(() => {
      for (let i = 0; i < COUNT; i++) {
        new CancellationTokenSource({ signal: parent.token }).token.throwIfCancelled()
      }
    })
    expect(more).toBeLessThan(2)
    expect(hooksOf(parent.token)).toBe(0)
  })

  it('derive, make a signal, close leaves nothing', async () => {
    const parent = new CancellationTokenSource()
    const more = await grown(() => {
      for (let i = 0; i < COUNT / 10; i++) {
        using child = new CancellationTokenSource({ signal: parent.token, timeout: 60_000 })
        child.token.signal.throwIfAborted()
      }
    })
    expect(more).toBeLessThan(2)
    expect(hooksOf(parent.token)).toBe(0)
  })

  it('the same over a native AbortSignal, without a warning', async () => {
    const warned = vi.spyOn(process, 'emitWarning')
    const { signal } = new AbortController()
    const kept: CancellationTokenSource[] = []
    const more = await grown(() => {
      for (let i = 0; i < COUNT; i++) {
        const child = new CancellationTokenSource({ signal })
        child.token.onCancelled(() => i).dispose()
        if (i % 1_000 === 0) {
          kept.push(child)
          child.token.onCancelled(() => i)
        }
      }
      expect(listeners(signal)).toBe(1)
      for (const child of kept.splice(0)) child.close()
      expect(listeners(signal)).toBe(0)
    })
    expect(more).toBeLessThan(2)
    expect(warned).not.toHaveBeenCalled()
  })

  it('race on one token leaves nothing', async () => {
    const { token } = new CancellationTokenSource({ timeout: 60_000 })
    const pending = new Promise<void>(() => {})
    const more = await grown(async () => {
      for (let i = 0; i < COUNT; i++) await token.race(Promise.resolve(i))
      await CancellationToken.cancelled(1)
        .race(pending)
        .catch(() => {})
    })
    expect(more).toBeLessThan(2)
    expect(hooksOf(token)).toBe(0)
  })

  it('delay and wait, cancelled, leave nothing', async () => {
    const queue = new WaitQueue()
    const reason = new Error('gone')
    const parent = new CancellationTokenSource()
    const more = await grown(async () => {
      for (let i = 0; i < COUNT / 10; i++) {
        const source = new CancellationTokenSource({ signal: parent.token })
        const signal = source.token
        const all = [delay(60_000, { signal }), queue.wait({ signal, timeout: 60_000 })]
        source.cancel(reason)
        await Promise.allSettled(all)
      }
    })
    expect(more).toBeLessThan(2)
    expect([queue.size, hooksOf(parent.token)]).toEqual([0, 0])
  })

  it('waiting with a priority of its own leaves nothing, though somebody waits all the time', async () => {
    const queue = new WaitQueue()
    const first = queue.wait({ priority: Infinity })
    let priority = 0
    const more = await grown(() => {
      for (let i = 0; i < COUNT / 2; i++) {
        const source = new CancellationTokenSource()
        queue.wait({ signal: source.token, priority: priority++ }).catch(() => {})
        source.cancel()
      }
    })
    expect(more).toBeLessThan(2)
    expect(queue.wake()).toBe(true)
    await first
  })
})

describe('the garbage collector', () => {
  it('takes an idle derived token, also of a long-lived parent', async () => {
    const parent = new CancellationTokenSource()
    const { signal } = new AbortController()
    const make = () => {
      const child = new CancellationTokenSource({ signal: [parent.token, signal], timeout: 60_000 })
      child.token.onCancelled(() => {}).dispose()
      return [new WeakRef(child), new WeakRef(CancellationToken.any(child.token, signal))]
    }
    for (const ref of make()) expect(await collected(ref)).toBe(true)
    expect(parent.token.cancelled).toBe(false)
  })

  it('takes what a disposed registration held', async () => {
    const source = new CancellationTokenSource()
    const make = () => {
      const held = { big: true }
      source.token.onCancelled(() => held).dispose()
      return new WeakRef(held)
    }
    expect(await collected(make())).toBe(true)
    expect(source.cancel()).toBe(true)
  })

  it('takes the adapter of a signal that is gone, and an idle one with it', async () => {
    const make = () => {
      const { signal } = new AbortController()
      return new WeakRef(CancellationToken.from(signal))
    }
    expect(await collected(make())).toBe(true)
  })

  it('takes what goes round in a circle', async () => {
    const make = () => {
      const source = new CancellationTokenSource()
      const child = new CancellationTokenSource({ signal: source.token })
      child.token.onCancelled(() => source.cancel())
      child.token.signal.addEventListener('abort', () => child.cancel())
      return new WeakRef(source)
    }
    expect(await collected(make())).toBe(true)
  })

  it('leaves a listener on a derived token alone when only the root is held', async () => {
    const root = new CancellationTokenSource()
    const controller = new AbortController()
    const log: string[] = []
    const listen = () => {
      const other = new CancellationTokenSource()
      const token = CancellationToken.any(root.token, other.token)
      new CancellationTokenSource({ signal: token }).token.onCancelled(() => log.push('callback'))
      new CancellationTokenSource({ signal: token }).token.signal.addEventListener('abort', () =>
        log.push('signal'),
      )
      new CancellationTokenSource({ signal: controller.signal }).token.onCancelled(() =>
        log.push('foreign'),
      )
    }
    listen()
    for (let i = 0; i < 3; i++) await heap()
    root.cancel()
    controller.abort()
    expect(log).toEqual(['signal', 'callback', 'foreign'])
  })

  it('leaves a pending deadline alone when only its timer is left', async () => {
    const told = vi.fn()
    const listen = () => void CancellationToken.timeout(30).onCancelled(told)
    listen()
    await heap()
    await delay(60)
    expect(told).toHaveBeenCalledTimes(1)
  })
})
