import {
  badValue,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  checkOptions,
  currentFrame,
  type Milliseconds,
  type Registration,
  runIn,
} from '@uno-async/core'
import { listOf } from './internal/check.js'
import { executor, rejectLast, resolveLast } from './internal/deferred.js'
import { type Link, List, unlink } from './internal/list.js'
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

/** One add() that cannot be cancelled, nor shared. There are many: `reject` is not kept, a rejected promise resolves as well. */
class Call<T, R> {
  readonly item: T
  readonly resolve: (result: R | Promise<R>) => void

  constructor(item: T) {
    this.item = item
    this.resolve = resolveLast as never
  }

  /** Does nobody want the item any more? */
  get dead(): boolean {
    return false
  }

  settle(result: R | Error, failed: boolean): void {
    this.resolve(failed ? Promise.reject(result) : (result as R))
  }
}

/** One that can. */
class Claim<T, R> extends Call<T, R> {
  live = 1 // callers who still want the item
  left = false
  readonly key: unknown
  readonly reject: (error: unknown) => void = rejectLast
  registration: Registration | undefined = undefined
  twins: Claim<T, R>[] | undefined = undefined // other calls for the same item

  constructor(item: T, key: unknown) {
    super(item)
    this.key = key
  }

  override get dead(): boolean {
    return !this.live
  }

  override settle(result: R | Error, failed: boolean): void {
    this.registration?.dispose()
    if (!this.left) super.settle(result, failed)
    if (this.twins) for (const twin of this.twins) twin.settle(result, failed)
  }
}

class Batch<T, R> implements Link {
  next: Link = this
  prev: Link = this
  list: List<never> | undefined = undefined
  calls: Call<T, R>[] = []
  live = 0 // items that somebody wants
  due = false // waits for nothing but a free place
  byKey: Map<unknown, Claim<T, R>> | undefined = undefined
  window: CancellationTokenSource | undefined = undefined // while it waits for others
  source: CancellationTokenSource | undefined = undefined // once it runs
  ends: (() => void)[] | undefined = undefined // of those who wait for it to be over
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
  readonly #values = currentFrame()?.values // of the context in which `run` runs
  readonly #queue = new List<Batch<T, R>>() // not yet running; the last may still be filling
  readonly #running = new Set<Batch<T, R>>()
  #ticking = false // the end of this turn is being waited for
  #pumping = false // batches are being started
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
    options?: AsyncBatcherOptions<T>,
  ) {
    const {
      name,
      maxBatchSize = 100,
      maxWait = 0,
      concurrency = Infinity,
      keyOf,
    } = checkOptions(options)
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
    return this.#queue.all().reduce((sum, { live }) => sum + live, 0)
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
      const promise = new Promise<R>(executor)
      batch.calls.push(new Call<T, R>(item))
      if (++batch.live >= this.#maxBatchSize) this.#dispatch(batch)
      return promise
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
    const batches = [...this.#queue.all(), ...this.#running]
    const ends = batches.map(
      (batch) => new Promise<void>((resolve) => (batch.ends ??= []).push(resolve)),
    )
    for (const batch of batches) this.#dispatch(batch)
    await Promise.all(ends)
  }

  /**
   * Takes no more items: add() rejects with a ClosedError. Resolves when all is settled; idempotent.
   *
   * @param options - `drop`: reject what waits instead of sending it off, default false
   */
  async close(options?: { drop?: boolean | undefined }): Promise<void> {
    const { drop = false } = checkOptions(options)
    if (typeof drop !== 'boolean') throw badValue('drop', 'a boolean', drop, TypeError)
    this.#closed = true
    if (drop) {
      for (const batch of this.#queue.all()) {
        unlink(batch)
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
    const keyOf = this.#keyOf
    const key = keyOf?.(item)
    const batch = this.#open()
    const promise = new Promise<R>(executor)
    const call = new Claim<T, R>(item, key)
    const first = keyOf && batch.byKey?.get(key)
    if (first) {
      if (!first.live++) batch.live++
      ;(first.twins ??= []).push(call)
    } else {
      batch.live++
      batch.calls.push(call)
      if (keyOf) (batch.byKey ??= new Map()).set(key, call)
    }
    if (token) {
      call.registration = token.onCancelled(() => this.#leave(batch, first ?? call, call, token))
    }
    if (batch.live >= this.#maxBatchSize) this.#dispatch(batch)
    return promise
  }

  /** The batch to add to. */
  #open(): Batch<T, R> {
    if (this.#closed) throw this.#closedError()
    const last = this.#queue.newest
    if (last && last.live < this.#maxBatchSize) return last
    const batch = new Batch<T, R>()
    const timeout = this.#maxWait
    this.#queue.push(batch)
    if (timeout === 0) this.#tick()
    else if (timeout < Infinity) {
      batch.window = new CancellationTokenSource({ timeout, ref: true })
      batch.window.token.onCancelled(() => this.#dispatch(batch))
    }
    return batch
  }

  /** One for all batches of a turn: of those that wait, all but the last are due. */
  #tick(): void {
    if (this.#ticking) return
    this.#ticking = true
    atEndOfTurn(() => {
      this.#ticking = false
      const last = this.#queue.newest
      if (last) this.#dispatch(last)
    })
  }

  #dispatch(batch: Batch<T, R>): void {
    batch.due = true
    batch.window?.close()
    this.#pump()
  }

  /** Never from within itself: `run` may add, and be over, at once. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (this.#queue.oldest?.due && this.#running.size < this.#concurrency) {
      void this.#start(this.#queue.take() as Batch<T, R>)
    }
    this.#pumping = false
  }

  async #start(batch: Batch<T, R>): Promise<void> {
    const source = (batch.source = new CancellationTokenSource())
    const { token } = source
    const calls = batch.live < batch.calls.length ? wanted(batch) : batch.calls
    const items = calls.map(({ item }) => item)
    this.#running.add(batch)
    try {
      const frame = { token, values: this.#values }
      const result = await runIn(frame, () => this.#run(items, token))
      // All that can throw comes first.
      const results = items.map(outcomes(this.#who, items, result))
      const failed = results.map(isError)
      calls.forEach((call, i) => {
        call.settle(results[i] as R | Error, failed[i] as boolean)
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
    batch.window?.close()
    for (const resolve of batch.ends ?? []) resolve()
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
      const { twins = [], live } = first
      if (twins.length > 2 * live + 16) first.twins = twins.filter(({ left }) => !left)
      if (batch.calls.length > 2 * batch.live + 16) {
        for (const call of batch.calls)
          if (call.dead) batch.byKey?.delete((call as Claim<T, R>).key)
        batch.calls = wanted(batch)
      }
      return
    }
    if (batch.source) return void batch.source.cancel(token.reason)
    unlink(batch)
    this.#end(batch)
  }

  #closedError(): ClosedError {
    return new ClosedError(`${this.#who} is closed`)
  }
}

const wanted = <T, R>({ calls }: Batch<T, R>): Call<T, R>[] => calls.filter(({ dead }) => !dead)

function checkCount(option: string, value: number): number {
  return value === Infinity ? value : checkInteger(option, value, 1)
}

/** After this turn's microtasks, and those that they make, where the host can tell; else in a turn of its own. */
function atEndOfTurn(fn: () => void): void {
  const { process } = globalThis as { process?: { nextTick?(fn: () => void): void } }
  // From within a microtask: what is ticked now would run before the microtasks that are waiting.
  if (process?.nextTick) void Promise.resolve().then(() => process.nextTick?.(fn))
  else setTimeout(fn)
}
