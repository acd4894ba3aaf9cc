import {
  type AsyncContextManager,
  AsyncExitStack,
  collectErrors,
  type ExitInfo,
  enterContext,
  SUPPRESS,
  withContext,
} from '@uno-async/context'
import { CancellationTokenSource, CancelledError } from '@uno-async/core'
import { describe, expect, it, vi } from 'vitest'

const body = new Error('body')
const fail = () => {
  throw body
}
const unreachable = () => expect.unreachable()
const recorder = (): AsyncContextManager<string> & { infos: ExitInfo[] } => {
  const infos: ExitInfo[] = []
  return { infos, enter: () => 'value', exit: (info) => void infos.push(info) }
}

describe('withContext', () => {
  it('tells the exit that the body succeeded', async () => {
    const manager = recorder()
    expect(await withContext(manager, (value) => value)).toBe('value')
    expect(manager.infos).toEqual([{ ok: true }])
  })

  it('tells the exit with what the body failed', async () => {
    const manager = recorder()
    await expect(withContext(manager, fail)).rejects.toBe(body)
    expect(manager.infos).toEqual([{ ok: false, error: body, cancelled: false }])
  })

  it('takes a disposable with an enter method for what it is', async () => {
    const stack = new AsyncExitStack()
    expect(await withContext(stack, (it) => it === stack)).toBe(true)
    expect(stack.state).toBe('closed')
  })

  it('disposes what it was given when it is cancelled already', async () => {
    const dispose = vi.fn()
    const controller = new AbortController()
    controller.abort(body)
    const signal = controller.signal
    const disposable = { [Symbol.dispose]: dispose }
    await expect(withContext(disposable, unreachable, { signal })).rejects.toBe(body)
    expect(dispose).toHaveBeenCalledTimes(1)
    const slow = { [Symbol.asyncDispose]: () => Promise.reject(new Error('dispose')) }
    await expect(withContext(slow, unreachable, { signal })).rejects.toThrow('dispose')
  })

  it('gives undefined when the exit swallowed the error', async () => {
    expect(await withContext({ enter: () => 1, exit: () => SUPPRESS }, fail)).toBe(undefined)
  })

  it('calls methods on the manager', async () => {
    class Connection implements AsyncContextManager<string> {
      open = false
      enter() {
        this.open = true
        return 'connected'
      }
      exit() {
        this.open = false
      }
    }
    const connection = new Connection()
    await withContext(connection, () => expect(connection.open).toBe(true))
    expect(connection.open).toBe(false)
  })

  it('gives a disposable itself and disposes it', async () => {
    const dispose = vi.fn()
    const sync = { [Symbol.dispose]: dispose }
    const slow = { [Symbol.asyncDispose]: async () => dispose() }
    expect(await withContext(sync, (it) => it === sync)).toBe(true)
    expect(await withContext(slow, (it) => it === slow)).toBe(true)
    expect(dispose).toHaveBeenCalledTimes(2)
  })

  it('does not enter when it is cancelled before', async () => {
    const enter = vi.fn()
    const run = withContext({ enter, exit: () => {} }, () => {}, {
      signal: AbortSignal.abort(body),
    })
    await expect(run).rejects.toBe(body)
    expect(enter).not.toHaveBeenCalled()
  })

  it('does not call the body when it is cancelled during the enter', async () => {
    using source = new CancellationTokenSource()
    const manager = recorder()
    manager.enter = () => {
      source.cancel()
      return 'late'
    }
    const work = vi.fn()
    await expect(withContext(manager, work, { signal: source.token })).rejects.toBe(
      source.token.error,
    )
    expect(work).not.toHaveBeenCalled()
    expect(manager.infos).toEqual([{ ok: false, error: source.token.error, cancelled: true }])
  })

  it('keeps a result that arrived in spite of a cancellation', async () => {
    using source = new CancellationTokenSource()
    const manager = recorder()
    const run = withContext(manager, () => source.cancel(), { signal: source.token })
    expect(await run).toBe(true)
    expect(manager.infos).toEqual([{ ok: true }])
  })
})

describe('enterContext', () => {
  it('holds the value until it is disposed', async () => {
    const manager = recorder()
    {
      await using context = await enterContext(manager)
      expect(context.value).toBe('value')
      expect(manager.infos).toEqual([])
    }
    expect(manager.infos).toEqual([{ ok: true }])
  })

  it('tells the exit what fail was given, and does not throw it', async () => {
    const manager = recorder()
    {
      await using context = await enterContext(manager)
      context.fail(new Error('first'))
      context.fail(body)
    }
    expect(manager.infos).toEqual([{ ok: false, error: body, cancelled: false }])
  })

  it('tells cancellations apart', async () => {
    const signal = AbortSignal.any([])
    const controller = new AbortController()
    const manager = recorder()
    for (const error of [new CancelledError(), signal, body]) {
      const context = await enterContext(manager, { signal: controller.signal })
      if (error === body) controller.abort(body)
      context.fail(error)
      await context[Symbol.asyncDispose]()
    }
    expect(manager.infos.map((info) => !info.ok && info.cancelled)).toEqual([true, false, true])
  })

  it('throws what the exit threw', async () => {
    const context = await enterContext({ enter: () => 1, exit: fail })
    context.fail(new Error('work'))
    await expect(context[Symbol.asyncDispose]()).rejects.toBe(body)
  })

  it('exits once', async () => {
    const manager = recorder()
    const context = await enterContext(manager)
    const exiting = context[Symbol.asyncDispose]()
    expect(context[Symbol.asyncDispose]()).toBe(exiting)
    await exiting
    expect(manager.infos).toHaveLength(1)
  })
})

describe('collectErrors', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Error(name)) as [
    Error,
    Error,
    Error,
    Error,
  ]
  const suppressed = (error: unknown, suppressed: unknown) =>
    Object.assign(new Error(), { name: 'SuppressedError', error, suppressed })

  it('lists what is inside, oldest first', () => {
    expect(collectErrors(suppressed(c, suppressed(b, a)))).toEqual([a, b, c])
    expect(collectErrors(new AggregateError([a, suppressed(c, b)]))).toEqual([a, b, c])
    expect(collectErrors(new AggregateError([b], '', { cause: a }))).toEqual([a, b])
  })

  it('puts a cause before what it caused', () => {
    const caused = new Error('caused', { cause: suppressed(b, a) })
    expect(collectErrors(caused)).toEqual([a, b, caused])
  })

  it('gives each once and survives a cycle', () => {
    const loop = new Error('loop')
    loop.cause = suppressed(loop, d)
    expect(collectErrors(loop)).toEqual([d, loop])
    expect(collectErrors(new AggregateError([a, b, a]))).toEqual([a, b])
  })

  it('puts a cause first that also stands beside what it caused', () => {
    const caused = new Error('caused', { cause: a })
    expect(collectErrors(new AggregateError([caused, a]))).toEqual([a, caused])
    expect(collectErrors(new AggregateError([a, caused]))).toEqual([a, caused])
    expect(collectErrors(suppressed(a, caused))).toEqual([a, caused])
  })

  it.each([[undefined], [null], ['text'], [0]])('takes %s as it is', (value) => {
    expect(collectErrors(value)).toEqual([value])
  })

  it('leaves other errors with an `errors` field alone', () => {
    const invalid = Object.assign(new Error('invalid'), { errors: [a, b] })
    expect(collectErrors(invalid)).toEqual([invalid])
  })

  it('survives 100 000 levels', () => {
    let error: unknown = a
    for (let i = 0; i < 100_000; i++) error = suppressed(i, error)
    expect(collectErrors(error)).toHaveLength(100_001)
  })

  it('survives 200 000 errors side by side', () => {
    const errors = Array.from({ length: 200_000 }, (_, i) => i)
    expect(collectErrors(new AggregateError(errors))).toEqual(errors)
  })
})
