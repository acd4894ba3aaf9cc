// With async context enabled, for the whole process: in a file of its own.
import { AsyncVariable, enableAsyncContext } from '@uno-async/core'
import { AsyncLock, DeadlockError, KeyedLock, Limiter } from '@uno-async/sync'
import { watchPrimitives } from '@uno-async/sync/debug'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { flush } from './contract.js'

beforeAll(() => {
  expect(enableAsyncContext()).toBe(true)
})

describe('with async context, after an await', () => {
  it('a lock throws a DeadlockError for its own flow, and for no other', async () => {
    const lock = new AsyncLock({ name: 'db' })
    const other = lock.run(async () => {
      await flush()
      await expect(lock.run(() => {})).rejects.toBeInstanceOf(DeadlockError)
    })
    await Promise.all([other, lock.run(() => {}), lock.run(async () => flush())])
    expect(lock.locked).toBe(false)
  })

  it('a re-entrant lock nests', async () => {
    const lock = new AsyncLock({ reentrant: true })
    await lock.run(async () => {
      await flush()
      await lock.run(async () => {
        await flush()
        expect(lock.owner?.depth).toBe(2)
        expect(await lock.run(() => lock.owner?.depth)).toBe(3)
      })
    })
    expect(lock.locked).toBe(false)
  })

  it('siblings take turns, and keep strangers out', async () => {
    const lock = new AsyncLock({ reentrant: true })
    let inside = 0
    const enter = () =>
      lock.run(async () => {
        expect(++inside).toBe(1)
        await flush()
        inside--
      })
    await Promise.all([
      lock.run(async () => {
        await flush()
        await Promise.all([enter(), enter(), enter()])
      }),
      enter(),
    ])
    expect(lock.locked).toBe(false)
  })

  it('who was detached is a newcomer after the release', async () => {
    const lock = new AsyncLock({ reentrant: true })
    let go: () => void = () => {}
    let detached: Promise<unknown> = Promise.resolve()
    await lock.run(() => {
      detached = new Promise<void>((resolve) => {
        go = resolve
      }).then(() => lock.run(() => lock.owner?.depth))
    })
    const lease = await lock.acquire()
    go()
    await flush()
    expect(lock.waiting).toBe(1)
    lease.release()
    expect(await detached).toBe(1)
  })

  it('a keyed lock knows what its flow holds', async () => {
    const lock = new KeyedLock()
    await lock.run(['a', 'b'], async () => {
      await flush()
      await expect(lock.acquire('b')).rejects.toBeInstanceOf(DeadlockError)
      await lock.run('c', () => {})
    })
    expect(lock.size).toBe(0)
  })

  it('the body runs in the context of who waited', async () => {
    const variable = new AsyncVariable<string>()
    const limiter = new Limiter(1)
    const lease = await limiter.acquire()
    const body = vi.fn(async () => {
      await flush()
      return variable.get()
    })
    const waiting = variable.run('waiter', () => limiter.run(body))
    variable.run('releaser', () => lease.release())
    expect(await waiting).toBe('waiter')
  })

  it('flows that wait for each other are warned of', async () => {
    const onWarning = vi.fn()
    using _watch = watchPrimitives({ onWarning })
    const [a, b] = [new AsyncLock({ name: 'a' }), new AsyncLock({ name: 'b' })]
    const give = new AbortController()
    const options = { signal: give.signal }
    const flows = Promise.allSettled([
      a.run(async () => {
        await flush()
        await b.run(() => {}, options)
      }),
      b.run(async () => {
        await flush()
        await a.run(() => {}, options)
      }),
    ])
    await flush()
    await flush()
    expect(onWarning.mock.calls.map(([{ kind }]) => kind)).toEqual(['deadlock'])
    give.abort(new Error('enough'))
    await flows
    expect([a.locked, b.locked]).toEqual([false, false])
  })
})
