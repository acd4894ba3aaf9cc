import {
  type AcquireOptions,
  AsyncVariable,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  type CancellationTokenSourceOptions,
  CancelledError,
  captureContext,
  delay,
  type Lease,
  type Milliseconds,
  type Registration,
  type Snapshot,
  shield,
  TimeoutError,
  type UnoAsyncError,
  type Waiting,
  type WaitOptions,
  WaitQueue,
} from '@uno-async/core'
import { expectTypeOf, test } from 'vitest'

test('tokens', () => {
  const { token } = new CancellationTokenSource()
  expectTypeOf(token).toEqualTypeOf<CancellationToken>()
  expectTypeOf<Cancellation>().toEqualTypeOf<CancellationToken | AbortSignal>()
  expectTypeOf(CancellationToken.from).toBeCallableWith(new AbortController().signal)
  expectTypeOf(CancellationToken.any).toBeCallableWith(token, null, undefined)
  expectTypeOf(token.race(Promise.resolve(1))).resolves.toEqualTypeOf<number>()
  expectTypeOf(token.run(() => 'x')).toEqualTypeOf<string>()
  expectTypeOf(token.reason).toEqualTypeOf<unknown>()
  expectTypeOf(token.signal).toEqualTypeOf<AbortSignal>()
  const value: unknown = token
  if (CancellationToken.is(value)) expectTypeOf(value).toEqualTypeOf<CancellationToken>()
  // @ts-expect-error: read only
  token.cancelled = true
  // @ts-expect-error: not a signal
  CancellationToken.from('x')
})

test('onCancelled', () => {
  const { token } = new CancellationTokenSource()
  expectTypeOf(token.onCancelled(() => {})).toEqualTypeOf<Registration>()
  token.onCancelled((reason, state) => {
    expectTypeOf(reason).toEqualTypeOf<unknown>()
    expectTypeOf(state).toEqualTypeOf<number>()
  }, 5)
  // @ts-expect-error: not a function
  token.onCancelled('x')
})

test('sources', () => {
  expectTypeOf<CancellationTokenSource>().toExtend<Disposable>()
  expectTypeOf<CancellationTokenSourceOptions['signal']>().toEqualTypeOf<
    Cancellation | readonly Cancellation[] | undefined
  >()
  const source = new CancellationTokenSource({ signal: undefined, timeout: undefined })
  expectTypeOf(source.cancel('why')).toEqualTypeOf<boolean>()
  // @ts-expect-error: not a number
  new CancellationTokenSource({ timeout: '5' })
  // @ts-expect-error: no such option
  new CancellationTokenSource({ timeOut: 5 })
})

test('waiting', () => {
  expectTypeOf(delay(5)).resolves.toEqualTypeOf<void>()
  expectTypeOf(shield((token) => token)).toEqualTypeOf<CancellationToken>()
  expectTypeOf(shield(async () => 5, { timeout: undefined })).resolves.toEqualTypeOf<number>()
  const queue = new WaitQueue<number, string>({ onLeave: (tag) => tag.length })
  expectTypeOf(queue.wait({ tag: 'x' })).resolves.toEqualTypeOf<number>()
  expectTypeOf(queue.head).toEqualTypeOf<string | undefined>()
  expectTypeOf([...queue]).toEqualTypeOf<Waiting<string>[]>()
  queue.offer((tag) => tag.length)
  new WaitQueue().wake()
  // @ts-expect-error: a value is needed
  queue.wake()
  // @ts-expect-error: not a string
  void queue.wait({ tag: 5 })
})

test('variables', () => {
  expectTypeOf(new AsyncVariable({ defaultValue: 5 }).get()).toEqualTypeOf<number>()
  expectTypeOf(new AsyncVariable<number>().run(5, () => 'x')).toEqualTypeOf<string>()
  expectTypeOf(captureContext()(() => 5)).toEqualTypeOf<number>()
})

test('errors', () => {
  expectTypeOf(new CancelledError().code).toEqualTypeOf<'ABORT_ERR'>()
  expectTypeOf(new TimeoutError().timeout).toEqualTypeOf<Milliseconds>()
  expectTypeOf<TimeoutError>().toExtend<UnoAsyncError>()
  expectTypeOf<TimeoutError>().not.toExtend<CancelledError>()
})

test('contracts', () => {
  expectTypeOf<AcquireOptions>().toExtend<WaitOptions>()
  expectTypeOf<Lease>().toExtend<Disposable>()
  expectTypeOf<Snapshot['holders'][number]['label']>().toEqualTypeOf<string | undefined>()
})
