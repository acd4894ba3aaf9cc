import {
  badValue,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
  captureContext,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  delay,
  type Milliseconds,
  type Registration,
} from '@uno-async/core'
import { checkObject, listOf } from './internal/check.js'
import { Deferred } from './internal/deferred.js'
import { isError, outcomes } from './internal/outcomes.js'
import type { BatchResult } from './types.js'

/** How a batcher behaves. */
export interface AsyncBatcherOptions<T> {
  /** For messages. */
  name?: string | undefined
  /** How many items go into one batch, default 100. */
  maxBatchSize?: number | undefined
  /** How long the first item of a batch waits for others; default 0, to the end of this turn and its promise chains. */
  maxWait?: Milliseconds | undefined
  /** How many batches run at once, default `Infinity`. What waits keeps filling. */
  concurrency?: number | undefined
  /** Items of a batch with the same key are one item. Default: every item counts, as it must for writes. */
  keyOf?: ((item: T) => unknown) | undefined
}

/** One add() that cannot be cancelled, nor shared. */
class Call<T, R> extends Deferred<R> {
  readonly item: T
  live = 1 // callers who still want the item

  constructor(item: T) {
    super()
    this.item = item
  }

  settle(result: R | Error, failed: boolean): void {
    if (failed) this.reject(result)
    else this.resolve(result as R)
  }
}

/** One that can. */
class Claim<T, R> extends Call<T, R> {
  key: unknown = undefined
  left = false
  registration: Registration | undefined = undefined
  twins: Claim<T, R>[] | undefined = undefined // other calls for the same item

  override settle(result: R | Error, failed: boolean): void {
    this.registration?.dispose()
    if (!this.left) super.settle(result, failed)
    if (this.twins) for (const twin of this.twins) twin.settle(result, failed)
  }
}

class Batch<T, R> {
  calls: Call<T, R>[] = []
  live = 0 // items that somebody wants
  due = false // waits for nothing but a free place
  byKey: Map<unknown, Claim<T, R>> | undefined = undefined
  window: CancellationTokenSource | undefined = undefined // while it waits for others
  source: CancellationTokenSource | undefined = undefined // once it runs
  readonly end: Deferred<void> = new Deferred()
}

/**
 * Makes one call of many: gathers items for the rest of this turn, or `maxWait`, and hands them to `run` together.
 *
 * `run` gives an array of results in the order of the items, or a Map by item; an Error in it rejects that item
 * only. It runs in the context in which the batcher was made. An item cancelled before that is left out; when all
 * have left a running batch, its token is cancelled. `run` must not wait for an `add` that needs the place it
 * holds: with `concurrency: 1` that never ends.
 *
 * @example
 * ```ts
 * import { AsyncBatcher } from '@uno-async/cache'
 * const users = new AsyncBatcher(async (ids: readonly number[]) => ids.map((id) => ({ id })))
 * await Promise.all([users.add(1), users.add(2)]) // one call, with [1, 2]
 * ```
 */
export class AsyncBatcher<T, R> implements AsyncDisposable {
  readonly #run: (
    items: readonly T[],
    token: CancellationToken,
  ) => BatchResult<T, R> | PromiseLike<BatchResult<T, R>>
  readonly #who: string
  readonly #maxBatchSize: number
  readonly #maxWait: Milliseconds
  readonly #concurrency: number
  readonly #keyOf: ((item: T) => unknown) | undefined
  readonly #inContext = captureContext()
  readonly #queue: Batch<T, R>[] = [] // not yet running; the last may still be filling
  readonly #running = new Set<Batch<T, R>>()
  #closed = false
  // Invariants:
  //   I1  a batch in #queue has a live item; all but the last are full, and due
  //   I2  the first is due only if as many run as may

  /** @throws TypeError, RangeError */
  constructor(
    run: (
      items: readonly T[],
      token: CancellationToken,
    ) => BatchResult<T, R> | PromiseLike<BatchResult<T, R>>,
    options: AsyncBatcherOptions<T> = {},
  ) {
    checkObject('options', options)
    const { name, maxBatchSize = 100, maxWait = 0, concurrency = Infinity, keyOf } = options
    if (name !== undefined && typeof name !== 'string') {
      throw badValue('name', 'a string', name, TypeError)
    }
    this.#run = checkFunction('run', run)
    this.#who = name === undefined ? 'AsyncBatcher' : `AsyncBatcher "${name}"`
    this.#maxBatchSize = checkCount('maxBatchSize', maxBatchSize)
    this.#maxWait = checkMilliseconds('maxWait', maxWait)
    this.#concurrency = checkCount('concurrency', concurrency)
    this.#keyOf = keyOf === undefined ? keyOf : checkFunction('keyOf', keyOf)
  }

  /** How many items wait for their batch to run. */
  get pending(): number {
    return this.#queue.reduce((sum, { live }) => sum + live, 0)
  }

  /** How many batches run. */
  get running(): number {
    return this.#running.size
  }

  /**
   * The result for `item`.
   *
   * @param options - `signal`: cancels this item only
   * @throws what `run` throws, or gives as the outcome of this item; ClosedError; what `throwIfCancelled` throws
   */
  add(item: T, options?: { signal?: Cancellation | undefined }): Promise<R> {
    try {
      const signal = options?.signal
      if (signal !== undefined || this.#keyOf) return this.#claim(item, signal)
      const batch = this.#open()
      const call = new Call<T, R>(item)
      batch.live++
      batch.calls.push(call)
      if (batch.live >= this.#maxBatchSize) this.#dispatch(batch)
      return call.promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Adds them all; how each went, in their order. */
  async addMany(
    items: Iterable<T>,
    options?: { signal?: Cancellation | undefined },
  ): Promise<PromiseSettledResult<R>[]> {
    CancellationToken.from(options?.signal)
    return Promise.allSettled(listOf('items', items).map((item) => this.add(item, options)))
  }

  /** Sends off what waits. Resolves when all that was added before has settled; never rejects. */
  async flush(): Promise<void> {
    const batches = [...this.#queue, ...this.#running]
    for (const batch of [...this.#queue]) this.#dispatch(batch)
    await Promise.all(batches.map(({ end }) => end.promise))
  }

  /**
   * Takes no more items: add() rejects with a ClosedError. Resolves when all is settled; idempotent.
   *
   * @param options - `drop`: reject what waits instead of sending it off, default false
   */
  async close(options: { drop?: boolean | undefined } = {}): Promise<void> {
    checkObject('options', options)
    const { drop = false } = options
    if (typeof drop !== 'boolean') throw badValue('drop', 'a boolean', drop, TypeError)
    this.#closed = true
    if (drop) {
      for (const batch of this.#queue.splice(0)) {
        for (const call of batch.calls) call.settle(this.#closedError(), true)
        this.#end(batch)
      }
    }
    await this.flush()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // Apart from add(), which would have to make room for what this closes over.
  #claim(item: T, signal: Cancellation | undefined): Promise<R> {
    const token = signal === undefined ? undefined : CancellationToken.from(signal)
    token?.throwIfCancelled()
    if (this.#closed) throw this.#closedError()
    const keyOf = this.#keyOf
    const call = new Claim<T, R>(item)
    call.key = keyOf?.(item)
    const batch = this.#open()
    const first = keyOf && batch.byKey?.get(call.key)
    if (first) {
      if (!first.live++) batch.live++
      ;(first.twins ??= []).push(call)
    } else {
      batch.live++
      batch.calls.push(call)
      if (keyOf) (batch.byKey ??= new Map()).set(call.key, call)
    }
    if (token) {
      call.registration = token.onCancelled(() => this.#leave(batch, first ?? call, call, token))
    }
    if (batch.live >= this.#maxBatchSize) this.#dispatch(batch)
    return call.promise
  }

  /** The batch to add to. */
  #open(): Batch<T, R> {
    if (this.#closed) throw this.#closedError()
    const last = this.#queue[this.#queue.length - 1]
    if (last && last.live < this.#maxBatchSize) return last
    const batch = new Batch<T, R>()
    const dispatch = (): void => this.#dispatch(batch)
    this.#queue.push(batch)
    if (this.#maxWait === Infinity) return batch // only flush() and a full one end that
    if (this.#maxWait) {
      batch.window = new CancellationTokenSource()
      delay(this.#maxWait, { signal: batch.window.token }).then(dispatch, () => {})
    } else atEndOfTurn(dispatch)
    return batch
  }

  #dispatch(batch: Batch<T, R>): void {
    if (batch.due) return
    batch.due = true
    batch.window?.cancel()
    this.#pump()
  }

  #pump(): void {
    while (this.#queue[0]?.due && this.#running.size < this.#concurrency) {
      void this.#start(this.#queue.shift() as Batch<T, R>)
    }
  }

  async #start(batch: Batch<T, R>): Promise<void> {
    const source = (batch.source = new CancellationTokenSource())
    const { token } = source
    const calls = batch.live < batch.calls.length ? wanted(batch) : batch.calls
    const items = calls.map(({ item }) => item)
    this.#running.add(batch)
    try {
      const result = await this.#inContext(() => token.run(() => this.#run(items, token)))
      const outcome = outcomes(this.#who, items, result)
      calls.forEach((call, i) => {
        const it = outcome(call.item, i)
        call.settle(it, isError(it))
      })
    } catch (error) {
      for (const call of calls) call.settle(error as Error, true)
    }
    source.close()
    this.#running.delete(batch)
    this.#end(batch)
    this.#pump()
  }

  #end(batch: Batch<T, R>): void {
    batch.calls = [] // the end of this turn, for which it still waits, may be far
    batch.window?.cancel()
    batch.end.resolve()
  }

  #leave(
    batch: Batch<T, R>,
    first: Claim<T, R>,
    call: Claim<T, R>,
    token: CancellationToken,
  ): void {
    call.left = true
    call.reject(token.error)
    if (--first.live || --batch.live) {
      // Who came and went while the batch waits is not remembered.
      if (!batch.source && batch.calls.length > 2 * batch.live + 16) {
        for (const { live, key } of batch.calls as Claim<T, R>[]) {
          if (!live) batch.byKey?.delete(key)
        }
        batch.calls = wanted(batch)
      }
      return
    }
    if (batch.source) return void batch.source.cancel(token.reason)
    this.#queue.splice(this.#queue.indexOf(batch), 1)
    this.#end(batch)
  }

  #closedError(): ClosedError {
    return new ClosedError(`${this.#who} is closed`)
  }
}

const wanted = <T, R>({ calls }: Batch<T, R>): Call<T, R>[] => calls.filter(({ live }) => live)

function checkCount(option: string, value: number): number {
  return value === Infinity ? value : checkInteger(option, value, 1)
}

/** After this turn's microtasks, and those that they make, where the host can tell; else in a turn of its own. */
function atEndOfTurn(fn: () => void): void {
  const { process } = globalThis as { process?: { nextTick?(fn: () => void): void } }
  // From within a microtask: what is ticked now would run before the microtasks that are waiting.
  if (process?.nextTick) queueMicrotask(() => process.nextTick?.(fn))
  else setTimeout(fn)
}
