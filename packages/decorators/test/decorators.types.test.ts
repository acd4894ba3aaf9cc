import { CancellationToken, type CancellationTokenSource } from '@uno-async/core'
import {
  type AsyncDecorator,
  cancellable,
  compose,
  concurrentLimited,
  type LimiterLike,
  rateLimited,
  retry,
  timeoutHandler,
  withToken,
} from '@uno-async/decorators'
import pLimit from 'p-limit'
import PQueue from 'p-queue'
import { expectTypeOf, test } from 'vitest'

declare const some: AsyncDecorator
async function generic<T>(value: T, more?: number): Promise<T[]> {
  return [value].slice(0, more)
}
function overloaded(value: string): Promise<string>
function overloaded(value: number): Promise<number>
async function overloaded(value: unknown): Promise<unknown> {
  return value
}

test('as a higher-order function the signature is kept', () => {
  // expectTypeOf cannot compare generic functions.
  for (const wrapped of [
    some(generic),
    cancellable(generic),
    cancellable()(generic),
    compose(cancellable, retry(), timeoutHandler(5))(generic),
  ]) {
    const same: typeof generic = wrapped
    expectTypeOf(same('text', 1)).toEqualTypeOf<Promise<string[]>>()
    expectTypeOf(wrapped(1)).toEqualTypeOf<Promise<number[]>>()
  }
  const both = some(overloaded)
  expectTypeOf(both('text')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(both(1)).toEqualTypeOf<Promise<number>>()
  // @ts-expect-error: no such overload
  both(true)
  const bound = some(async function (this: Date, format: string) {
    return format + this.getTime()
  })
  expectTypeOf(bound).toEqualTypeOf<(this: Date, format: string) => Promise<string>>()
  // @ts-expect-error: `this` is missing
  bound('text')
  expectTypeOf(cancellable({ mode: 'race' })).toEqualTypeOf<AsyncDecorator>()
  expectTypeOf(some((a: number): PromiseLike<number> => Promise.resolve(a))).returns.toExtend<
    PromiseLike<number>
  >()
})

test('what is not asynchronous is refused', () => {
  // @ts-expect-error: no promise
  some(() => 1)
  // @ts-expect-error: no promise
  retry()(function* () {})
  // @ts-expect-error: no promise
  cancellable((a: string) => a.length)
  // @ts-expect-error: not a function
  some(1)
})

test('methods and fields keep theirs', () => {
  class Service {
    count = 0
    @cancellable
    async bare(id: string): Promise<number> {
      return this.count + id.length
    }
    @retry({ maxAttempts: 2 })
    async generic<T>(value: T): Promise<T> {
      return value
    }
    @timeoutHandler(5)
    async #hidden(): Promise<void> {}
    @concurrentLimited(2)
    static async fixed(this: typeof Service, n: number): Promise<number> {
      return n
    }
    @rateLimited({ limit: 1 })
    arrow = async (n: number): Promise<number> => n + this.count
    // @ts-expect-error: no promise
    @retry()
    sync(): number {
      return 1
    }
    // @ts-expect-error: no promise
    @cancellable
    syncField = (): number => 1
    // @ts-expect-error: no promise
    @cancellable
    syncBare(): number {
      return 1
    }
    // @ts-expect-error: no promise
    @cancellable()
    syncCalled = (): number => 1
    // @ts-expect-error: no method
    @retry()
    get value(): number {
      return 1
    }
    hidden(): Promise<void> {
      return this.#hidden()
    }
  }
  expectTypeOf<Service['generic']>().toEqualTypeOf<<T>(value: T) => Promise<T>>()
  // @ts-expect-error: no function
  @retry()
  class Whole {}
  void Whole
})

test('legacy descriptors are accepted of asynchronous methods alone', () => {
  const good: TypedPropertyDescriptor<(n: number) => Promise<number>> = {}
  const bad: TypedPropertyDescriptor<(n: number) => number> = {}
  expectTypeOf(some({}, 'key', good)).toEqualTypeOf<
    // biome-ignore lint/suspicious/noConfusingVoidType: what TypeScript expects of a decorator
    TypedPropertyDescriptor<(n: number) => Promise<number>> | void
  >()
  // @ts-expect-error: no promise
  some({}, 'key', bad)
})

test('limiters of any shape are accepted', () => {
  expectTypeOf(pLimit(1)).toExtend<LimiterLike>()
  expectTypeOf(new PQueue()).toExtend<LimiterLike>()
  const queue = new PQueue()
  concurrentLimited((job) => queue.add(job))
  concurrentLimited({ acquire: async () => {} })
  concurrentLimited({ acquire: async (options?: { signal?: AbortSignal }) => void options })
  concurrentLimited({ acquire: async () => () => {} })
  rateLimited({ acquire: async () => ({ held: true, release: () => true, [Symbol.dispose]() {} }) })
  rateLimited({ run: async (job) => job() })
  // @ts-expect-error: no limiter
  rateLimited(5)
  // @ts-expect-error: no limiter
  concurrentLimited({})
})

test('withToken takes the token off the parameters', () => {
  const fn = withToken(async (token, a: number, b?: string) => [token, a, b] as const)
  expectTypeOf(fn).toEqualTypeOf<
    (a: number, b?: string) => Promise<readonly [CancellationToken, number, string | undefined]>
  >()
})

test('options are checked', () => {
  retry({ signal: (_self, [first]) => (first as CancellationTokenSource).token })
  retry({ retryOn: [TypeError, RangeError], signal: CancellationToken.none })
  // @ts-expect-error: no such back-off
  retry({ backoff: 'fast' })
  // @ts-expect-error: the time is missing
  timeoutHandler({})
})
