import {
  CancellationToken,
  CancellationTokenSource,
  delay,
  TimeoutError,
  WaitQueue,
} from '@uno-async/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { outcome } from './helpers.js'

vi.setConfig({ testTimeout: 30_000 })

afterEach(() => void vi.useRealTimers())

describe('fake timers', () => {
  it('drive deadlines, waits and delays, clock and all', async () => {
    vi.useFakeTimers()
    const source = new CancellationTokenSource({ timeout: 1_000 })
    const all = [
      source.token.race(new Promise(() => {})),
      delay(1_000),
      new WaitQueue().wait({ timeout: 1_000 }),
    ]
    await vi.advanceTimersByTimeAsync(999)
    for (const each of all) expect(await outcome(each)).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    const [raced, delayed, waited] = await Promise.all(all.map(outcome))
    expect(raced).toEqual({ rejected: source.token.reason })
    expect(delayed).toEqual({ resolved: undefined })
    expect(waited).toMatchObject({ rejected: { name: 'TimeoutError', timeout: 1_000 } })
  })

  it('drive them also where the clock stands still', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const parent = new CancellationTokenSource({ timeout: 100_000 })
    const child = new CancellationTokenSource({ signal: parent.token, timeout: 200_000 })
    const told = vi.fn()
    child.token.onCancelled(told)
    const waiting = delay(100_000)
    vi.advanceTimersByTime(100_000)
    expect(told).toHaveBeenCalledTimes(1)
    expect(parent.token.cancelled).toBe(true)
    expect(child.token.reason).toBe(parent.token.reason)
    expect(child.token.reason).toBeInstanceOf(TimeoutError)
    expect(await outcome(waiting)).toEqual({ resolved: undefined })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('run a fast-forward through all that waits', async () => {
    vi.useFakeTimers()
    const log: number[] = []
    const all = [300, 100, 200].map((ms) => delay(ms).then(() => log.push(ms)))
    await vi.runAllTimersAsync()
    await Promise.all(all)
    expect(log).toEqual([100, 200, 300])
  })

  it('that come and go between tests leave no alarm to the wrong ones', async () => {
    for (let i = 0; i < 3; i++) {
      vi.useFakeTimers()
      const told = vi.fn()
      const registration = CancellationToken.timeout(50).onCancelled(told)
      if (i < 2) expect(vi.getTimerCount()).toBe(1)
      vi.advanceTimersByTime(50)
      expect(told).toHaveBeenCalledTimes(1)
      registration.dispose()
      vi.useRealTimers()
      await delay(1)
    }
  })

  it('that are all cleared take no later alarm of the same moment along', async () => {
    vi.useFakeTimers()
    const wait = () => [
      CancellationToken.timeout(50).race(new Promise(() => {})),
      delay(50),
      new WaitQueue().wait({ timeout: 50 }),
    ]
    const lost = wait()
    vi.clearAllTimers()
    const all = Promise.allSettled(wait())
    await vi.advanceTimersByTimeAsync(50)
    for (const each of lost) expect(await outcome(each)).toBe('pending')
    expect(await outcome(all)).not.toBe('pending')
  })

  it('are not early when they are real', async () => {
    for (const ms of [0, 1, 2, 5, 11]) {
      const began = performance.now()
      await delay(ms)
      expect(performance.now() - began).toBeGreaterThanOrEqual(ms)
    }
  })
})
