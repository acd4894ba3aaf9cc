import * as core from '@uno-async/core'
import * as polyfill from '@uno-async/core/polyfill'
import { equal, errorOf, fails } from './assert.mjs'

const hasAsyncContext = () =>
  !!(
    globalThis.AsyncContext ??
    globalThis.process?.getBuiltinModule?.('node:async_hooks')?.AsyncLocalStorage ??
    globalThis.AsyncLocalStorage
  )

const checks = {
  CancellationToken({ CancellationToken, CancellationTokenSource }) {
    const controller = new AbortController()
    const source = new CancellationTokenSource()
    const any = CancellationToken.any(source.token, controller.signal, undefined)
    const { signal } = any
    equal([any.cancelled, any.canBeCancelled, signal.aborted], [false, true, false])
    equal(CancellationToken.from(controller.signal).signal, controller.signal)
    controller.abort(new Error('why'))
    equal([any.cancelled, signal.aborted, any.reason.message], [true, true, 'why'])
    equal(any.error, controller.signal.reason)
    equal([CancellationToken.is(any), CancellationToken.is(signal)], [true, false])
    equal(CancellationToken.none.canBeCancelled, false)
    equal(CancellationToken.timeout(1_000).remaining > 0, true)
  },
  async CancellationTokenSource({ CancellationTokenSource, TimeoutError }) {
    const source = new CancellationTokenSource({ timeout: 5, name: 'short' })
    const error = await fails(source.token.race(new Promise(() => {})), TimeoutError)
    equal([error.timeout, source.token.owns(error), source.cancel()], [5, true, false])
    const closed = new CancellationTokenSource()
    closed[Symbol.dispose]()
    equal([closed.cancel(), closed.token.cancelled], [false, false])
  },
  CancelledError: ({ CancelledError, UnoAsyncError }) => {
    const error = new CancelledError('stop', { cause: 1 })
    equal(
      [error.name, error.code, error.message, error.cause],
      ['AbortError', 'ABORT_ERR', 'stop', 1],
    )
    equal([error instanceof UnoAsyncError, error instanceof Error], [true, true])
  },
  ClosedError: ({ ClosedError }) => equal(new ClosedError().code, 'ERR_CLOSED'),
  QueueFullError: ({ QueueFullError }) => equal(new QueueFullError().code, 'ERR_QUEUE_FULL'),
  RateLimitError({ RateLimitError }) {
    const error = new RateLimitError('slowly', { retryAfter: 5 })
    equal([error.code, error.retryAfter], ['ERR_RATE_LIMITED', 5])
  },
  TimeoutError({ TimeoutError, CancelledError }) {
    const error = new TimeoutError('late', { timeout: 5, operation: 'load' })
    equal([error.code, error.timeout, error.operation], ['ETIMEDOUT', 5, 'load'])
    equal(error instanceof CancelledError, false)
  },
  UnoAsyncError: ({ UnoAsyncError }) => equal(new UnoAsyncError('x').name, 'UnoAsyncError'),
  async WaitQueue({ WaitQueue, TimeoutError }) {
    const queue = new WaitQueue()
    const waiting = [queue.wait({ tag: 'a' }), queue.wait({ tag: 'b', priority: 1 })]
    equal([queue.size, queue.head], [2, 'b'])
    equal([queue.wake(1), queue.wakeAll(2), queue.size], [true, 1, 0])
    equal(await Promise.all(waiting), [2, 1])
    await fails(queue.wait({ timeout: 5 }), TimeoutError)
  },
  badValue: ({ badValue }) =>
    equal(badValue('n', 'one', 2).message, 'Expected `n` to be one, got `2` (number)'),
  checkFunction: ({ checkFunction }) => fails(() => checkFunction('fn', 1), TypeError),
  checkInteger: ({ checkInteger }) => fails(() => checkInteger('n', 1.5, 1), RangeError),
  checkOptions: ({ checkOptions }) => fails(() => checkOptions(5), TypeError),
  valueIn({ valueIn, withValue }) {
    const key = {}
    equal(valueIn(withValue(undefined, key, 1), key).value, 1)
  },
  withValue({ withValue }) {
    const key = {}
    equal(withValue(withValue(undefined, key, 1), key, 2).next, undefined)
  },
  checkMilliseconds: ({ checkMilliseconds }) =>
    fails(() => checkMilliseconds('ms', -1), RangeError),
  AsyncVariable({ AsyncVariable }) {
    const variable = new AsyncVariable({ defaultValue: 1 })
    equal([variable.get(), variable.run(2, () => variable.get()), variable.get()], [1, 2, 1])
  },
  captureContext({ AsyncVariable, captureContext }) {
    const variable = new AsyncVariable()
    const inside = variable.run('in', () => captureContext())
    equal(
      inside(() => variable.get()),
      'in',
    )
  },
  currentFrame({ CancellationToken, currentFrame }) {
    const token = CancellationToken.cancelled()
    equal(
      token.run(() => currentFrame().token),
      token,
    )
  },
  runIn({ CancellationToken, runIn }) {
    const token = CancellationToken.cancelled()
    equal(
      runIn({ token, values: undefined }, (n) => [n, CancellationToken.current === token], 1),
      [1, true],
    )
  },
  async delay({ CancellationToken, CancelledError, delay }) {
    equal(await delay(1), undefined)
    await fails(delay(60_000, { signal: CancellationToken.cancelled() }), CancelledError)
    const controller = new AbortController()
    const waiting = delay(60_000, { signal: controller.signal })
    controller.abort()
    equal(await errorOf(waiting), controller.signal.reason)
  },
  isCancelled: ({ isCancelled, CancelledError }) =>
    equal([isCancelled(new CancelledError()), isCancelled(new Error('x'))], [true, false]),
  async isTimeout({ isTimeout, CancellationToken }) {
    const error = await errorOf(CancellationToken.timeout(1).race(new Promise(() => {})))
    const native = new DOMException('late', 'TimeoutError')
    equal([isTimeout(error), isTimeout(native), isTimeout(new Error('x'))], [true, true, false])
  },
  report({ report }) {
    const seen = []
    const { reportError } = globalThis
    globalThis.reportError = (error) => seen.push(error)
    try {
      report('lost')
    } finally {
      globalThis.reportError = reportError
    }
    equal(seen, ['lost'])
  },
  shield: ({ shield, CancellationToken }) =>
    equal(
      CancellationToken.cancelled().run(() => shield((token) => token.cancelled)),
      false,
    ),
  // the last one: from here on, all of them run with async context where the host has it
  async enableAsyncContext({ enableAsyncContext, CancellationTokenSource, CancellationToken }) {
    equal(enableAsyncContext(), hasAsyncContext())
    const { token } = new CancellationTokenSource()
    const after = await token.run(async () => {
      await undefined
      return CancellationToken.current
    })
    equal(after === token, hasAsyncContext())
  },
}

export default [
  { specifier: '@uno-async/core', exports: core, checks },
  { specifier: '@uno-async/core/polyfill', exports: polyfill, checks: {} },
]
