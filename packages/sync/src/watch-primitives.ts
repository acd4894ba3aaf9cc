import {
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  type Lease,
  type Milliseconds,
  report,
  type Snapshot,
} from '@uno-async/core'
import type { Hold } from './internal/hold.js'
import { holding, type LockPermits, rootOf } from './internal/lock-permits.js'
import { type Observer, observe, observer } from './internal/observer.js'
import type { Permits } from './internal/permits.js'
import { checkBoolean } from './options.js'

/** What somebody should look at. */
export interface PrimitiveWarning {
  readonly kind: 'slow-hold' | 'slow-wait' | 'deadlock' | 'lost-lease'
  /** Who holds and who waits, of the primitive in question. */
  readonly snapshot: Snapshot
  /** Where it was asked for; with `stacks` only. */
  readonly stack?: string
}

/** What to watch for. */
export interface WatchOptions {
  /** Milliseconds after which who still holds is warned of, once; default `Infinity`. */
  slowHold?: Milliseconds | undefined
  /** Milliseconds after which who still waits is warned of, once; default `Infinity`. */
  slowWait?: Milliseconds | undefined
  /** Keep for each request where it came from: dear, default false. */
  stacks?: boolean | undefined
  /** What it throws is reported (`reportError`). */
  onWarning: (warning: PrimitiveWarning) => void
}

/** The watch: dispose it to end it. */
export interface WatchedPrimitives extends Disposable {
  /** One of each primitive of which somebody holds or waits for something since the watch began. */
  snapshots(): Snapshot[]
  /** Ends the watch. Idempotent. */
  dispose(): void
}

/**
 * Watches all locks, semaphores, limiters and keyed locks of this process, from now on: warns of slow holds
 * and waits, of flows that wait for each other in a circle (as far as `run` tells which flow holds what: over
 * an `await` only with `enableAsyncContext()`), and of leases that were collected while they were held.
 *
 * Nothing is freed or broken up. While nobody watches it costs one comparison. One watch at a time.
 *
 * @throws TypeError, RangeError; an Error if somebody watches already
 * @example
 * ```ts
 * import { AsyncLock } from '@uno-async/sync'
 * import { watchPrimitives } from '@uno-async/sync/debug'
 * const watch = watchPrimitives({ slowHold: 5_000, onWarning: ({ kind, snapshot }) => console.warn(kind, snapshot) })
 * using lease = await new AsyncLock({ name: 'db' }).acquire({ label: 'migrate' })
 * watch.snapshots() // [{ name: 'db', holders: [{ label: 'migrate', … }], … }]
 * watch.dispose()
 * ```
 */
export function watchPrimitives(options: WatchOptions): WatchedPrimitives {
  const {
    slowHold = Infinity,
    slowWait = Infinity,
    stacks = false,
    onWarning,
  } = checkOptions(options)
  checkMilliseconds('slowHold', slowHold)
  checkMilliseconds('slowWait', slowWait)
  checkBoolean('stacks', stacks)
  checkFunction('onWarning', onWarning)
  if (observer) throw new Error('Somebody watches already: dispose that watch first')
  const watch = new Watch({ slowHold, slowWait, stacks, onWarning })
  observe(watch)
  return {
    snapshots: () => watch.snapshots(),
    dispose: () => watch.dispose(),
    [Symbol.dispose]: () => watch.dispose(),
  }
}

type Settings = { readonly [K in keyof WatchOptions]-?: NonNullable<WatchOptions[K]> }

/** What is known of a request, from the first time it was seen until it is over. */
interface Trace {
  readonly stack: string | undefined
  readonly flow: Hold | undefined // what the flow that asks holds, innermost first
  alarm: CancellationTokenSource | undefined
}

/** The lease that is handed out: unlike the hold it can be collected, and then that is told. */
class WatchedLease implements Lease {
  readonly hold: Hold

  constructor(hold: Hold) {
    this.hold = hold
  }

  get held(): boolean {
    return this.hold.held
  }

  release(): boolean {
    return this.hold.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

class Watch implements Observer {
  readonly #options: Settings
  readonly #waiting = new Map<Hold, Trace>()
  readonly #holding = new Map<Hold, Trace>()
  readonly #lost = new FinalizationRegistry<Hold>((hold) => {
    const trace = this.#holding.get(hold)
    if (trace && hold.held) this.#warn('lost-lease', hold, trace)
  })

  constructor(options: Settings) {
    this.#options = options
  }

  waiting(hold: Hold): void {
    const trace = this.#trace()
    this.#waiting.set(hold, trace)
    this.#alarm(hold, trace, this.#options.slowWait, 'slow-wait')
    if (this.#inCircle(hold, trace)) this.#warn('deadlock', hold, trace)
  }

  left(hold: Hold): void {
    this.#waiting.get(hold)?.alarm?.close()
    this.#waiting.delete(hold)
  }

  granted(hold: Hold): Lease {
    const trace = this.#waiting.get(hold) ?? this.#trace()
    this.left(hold)
    this.#holding.set(hold, trace)
    this.#alarm(hold, trace, this.#options.slowHold, 'slow-hold')
    const lease = new WatchedLease(hold)
    this.#lost.register(lease, hold, hold)
    return lease
  }

  released(hold: Hold): void {
    this.#lost.unregister(hold)
    this.#holding.get(hold)?.alarm?.close()
    this.#holding.delete(hold)
  }

  snapshots(): Snapshot[] {
    const all = new Set<Permits>()
    for (const hold of [...this.#holding.keys(), ...this.#waiting.keys()]) all.add(rootOf(hold))
    return [...all].map((permits) => permits.inspect())
  }

  dispose(): void {
    if (observer !== this) return
    observe(undefined)
    for (const hold of [...this.#holding.keys()]) this.released(hold)
    for (const hold of [...this.#waiting.keys()]) this.left(hold)
  }

  #trace(): Trace {
    const stack = this.#options.stacks ? new Error('asked for here').stack : undefined
    return { stack, flow: holding(), alarm: undefined }
  }

  #alarm(hold: Hold, trace: Trace, timeout: Milliseconds, kind: PrimitiveWarning['kind']): void {
    trace.alarm = undefined
    if (timeout === Infinity) return
    trace.alarm = new CancellationTokenSource({ timeout })
    trace.alarm.token.onCancelled(() => this.#warn(kind, hold, trace))
  }

  /** Does what is asked for belong to who waits, over however many others, for what this flow holds? */
  #inCircle(hold: Hold, { flow }: Trace): boolean {
    const mine = held(flow) // and what those hold who wait for it
    for (const permits of mine) {
      if (permits === hold.permits) return true
      for (const { tag } of permits.queue ?? []) {
        for (const theirs of held(this.#waiting.get(tag)?.flow)) mine.add(theirs)
      }
    }
    return false
  }

  #warn(kind: PrimitiveWarning['kind'], hold: Hold, { stack }: Trace): void {
    try {
      const snapshot = hold.permits.inspect()
      const { onWarning } = this.#options
      onWarning(stack === undefined ? { kind, snapshot } : { kind, snapshot, stack })
    } catch (error) {
      report(error)
    }
  }
}

/** What this flow holds still: who re-entered a hold keeps that, too. */
function held(flow: Hold | undefined): Set<Permits> {
  const all = new Set<Permits>()
  for (let hold = flow; hold; hold = hold.parent) {
    let each = hold.held ? hold : undefined
    for (; each; each = (each.permits as LockPermits).outer) all.add(each.permits)
  }
  return all
}
