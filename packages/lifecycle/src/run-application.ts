import {
  badValue,
  type CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  delay,
  isCancelled,
  type Milliseconds,
} from '@uno-async/core'
import type { ShutdownEntry, ShutdownReason, ShutdownReport } from './contracts.js'
import { ShutdownError } from './errors.js'
import { formatReport, whole } from './format-report.js'
import { checkGiven, oneOf } from './internal/check.js'
import { findHost, type Host, minus, numbers } from './internal/host.js'
import { keepAlive, limited, noop, within } from './internal/limited.js'
import { Shutdown, stops } from './internal/shutdown.js'
import { AsyncManager } from './manager.js'
import { checkManager, getAsyncManager, setAsyncManager } from './shared.js'

/** What `main` is given. */
export interface RunContext {
  readonly manager: AsyncManager
  /** Cancelled by a stop, when the drain is over. */
  readonly token: CancellationToken
}

/** What an application does when it starts, runs and ends, and how it treats its process. */
export interface RunOptions<S> {
  /** Registers resources, and gives the state for `main` and `cleanup`. Its token is cancelled when it is told to stop. */
  startup(context: {
    readonly manager: AsyncManager
    readonly token: CancellationToken
  }): S | PromiseLike<S>
  /** The work: when it ends, the application stops. Left out: it runs until told to stop. */
  main?: ((state: S, context: RunContext) => unknown) | undefined
  /** Last, when all is stopped; also after a start that failed half way. Its token is cancelled when the rest of `shutdownTimeout` is spent. */
  cleanup?:
    | ((
        state: S | undefined,
        context: { readonly reason: ShutdownReason; readonly token: CancellationToken },
      ) => unknown)
    | undefined
  /** Default: a fresh one, given by `getAsyncManager` from now on. */
  manager?: AsyncManager | undefined
  /** Default SIGINT, SIGTERM, SIGHUP, and on Windows SIGBREAK; false: none. */
  signals?: readonly string[] | false | undefined
  /** Covers the whole stop, default that of the manager, 10 000. */
  shutdownTimeout?: Milliseconds | undefined
  /** Default `force`: exits at once with 128+n. */
  secondSignal?: 'force' | 'ignore' | undefined
  /** Signals so soon after the first are the same one, delivered twice; default 500. */
  signalDebounce?: Milliseconds | undefined
  /** Default `shutdown`, with code 1. `crash`: exit with 1 without stopping. `ignore`: none of our business. */
  uncaughtException?: 'shutdown' | 'crash' | 'ignore' | undefined
  unhandledRejection?: 'shutdown' | 'crash' | 'ignore' | undefined
  /** Default `auto`: exits, but never in a test runner. `never`: only gives the report. A function is called instead of exiting. */
  exit?: 'auto' | 'never' | ((code: number, report: ShutdownReport) => void) | undefined
  /** Default `clean-zero`: 0 after a clean stop, or the `process.exitCode` that was set. `signal`: 128+n after a clean stop by a signal. */
  exitCodes?: 'clean-zero' | 'signal' | ((report: ShutdownReport) => number) | undefined
  /** How long the event loop may take to become empty by itself, default 250. */
  exitGrace?: Milliseconds | undefined
}

/**
 * Runs an application from its start to the exit of its process: `startup`, then the manager's resources, then
 * `main`; and when it ends, fails or is told to stop, the manager's shutdown, then `cleanup`.
 *
 * Stops at SIGINT, SIGTERM, SIGHUP, an uncaught exception or an unhandled rejection, in browsers when the page goes away for good. A
 * second signal, unless it comes within `signalDebounce`, exits at once. The exit code is set first, then the event loop may
 * become empty for `exitGrace`; what still holds it then is named on stderr, and the process exits. Exits nowhere else.
 *
 * Gives the report, which is printed on stderr when something went wrong; rejects only for bad options.
 *
 * @throws TypeError, RangeError
 * @example
 * ```ts
 * import { runApplication } from '@uno-async/lifecycle'
 * const { code, reason } = await runApplication({
 *   startup: ({ manager }) => manager.registerResource({ name: 'db', start: () => new Map([['a', 1]]) }),
 *   main: (db) => console.log(db.value.get('a')), // 1
 *   exit: 'never',
 * })
 * // code 0, reason.kind 'main-ended'
 * ```
 */
export async function runApplication<S>(options: RunOptions<S>): Promise<ShutdownReport> {
  check(options)
  const host = findHost()
  const { manager, previous } = choose(options.manager)
  if (options.shutdownTimeout !== undefined) manager.shutdownTimeout = options.shutdownTimeout
  const { exit = 'auto', exitGrace = 250 } = options
  const exits = exit === 'auto' && host.exit !== undefined && !host.inTest
  const before = host.activeResources().filter((kind) => kind === 'PipeWrap' || kind === 'TTYWrap')
  // Until it is told to stop, an application runs, even if nothing else holds the event loop.
  const done = keepAlive()
  const run = new Run(options, host, manager)
  const ending = run.end(previous).then(async (end) => {
    done()
    await delay(1) // what was closed just now is gone in a moment, and what was rejected is known
    const report = run.forced ? await run.force : run.coded(end)
    // An application that exits keeps listening: one late signal must not change how it ends.
    if (!exits || report.reason.kind === 'replaced') run.close()
    return report
  })
  ends.set(manager, Promise.all([previous, ending]).then(noop))
  const report = await ending
  const replaced = report.reason.kind === 'replaced'
  // What a forced exit leaves behind holds the event loop, and so do our own timers.
  const held = run.forced ? [] : minus(host.activeResources(), before)
  const full = held.length ? { ...report, activeResources: held } : report
  if (replaced || exit === 'never' || (exit === 'auto' && !exits)) return full
  const wrong = full.errors.length || run.forced || (full.code && options.exitCodes !== 'signal')
  if (wrong) host.print(formatReport(full))
  if (exit !== 'auto') exit(full.code, full)
  else if (run.forced) host.exit?.(full.code)
  else {
    let { code } = full
    host.setExitCode?.(code)
    // Who reads the report has read it.
    run.late = (error) => {
      code ||= 1
      host.setExitCode?.(code)
      host.print(`After the stop:\n${whole(error).join('\n')}`)
    }
    void run.force.then(({ code }) => host.exit?.(code))
    void delay(exitGrace, { unref: true }).then(() => {
      const names = minus(host.activeResources(), before).join(', ') || 'something'
      host.print(`Exiting after ${exitGrace} ms: ${names} still held the event loop`)
      host.exit?.(code)
    })
  }
  return full
}

const ends = new WeakMap<AsyncManager, Promise<unknown>>() // of their runs, and of those before

/** The manager that is given, or that of this process, if it is fresh; else another, and the end of what it replaces, as hot reloading needs it. */
function choose(given?: AsyncManager): { manager: AsyncManager; previous?: Promise<unknown> } {
  if (given) return { manager: given }
  const old = getAsyncManager()
  if (old.state === 'idle' && !ends.has(old)) return { manager: old }
  const manager = new AsyncManager()
  setAsyncManager(manager)
  const stopped = old.shutdown({ kind: 'replaced' } satisfies ShutdownReason).catch(noop)
  return { manager, previous: Promise.all([ends.get(old), stopped]) }
}

class Run<S> {
  /** A second signal came, or a crash: nothing is waited for any more. */
  forced = false
  readonly force: Promise<ShutdownReport>
  /** Told of errors after a stop was asked for. */
  late = (error: unknown): void => void this.#late.add(error)
  readonly #options: RunOptions<S>
  readonly #host: Host
  readonly #manager: AsyncManager
  readonly #undo: (() => void)[] = []
  readonly #told: CancellationTokenSource // cancelled when a stop is asked for
  readonly #late = new Set<unknown>() // errors after that, for the report
  #forceWith!: (report: ShutdownReport) => void
  #startup: Promise<void> | undefined // while it runs
  #state: S | undefined
  #last: Shutdown | undefined // what comes after the manager's
  #reason: ShutdownReason | undefined // set with #told
  #since: number | undefined // when the stop began, on the performance.now() scale
  #signalled: number | undefined // when the first signal came

  constructor(options: RunOptions<S>, host: Host, manager: AsyncManager) {
    this.#options = options
    this.#host = host
    this.#manager = manager
    this.#told = new CancellationTokenSource({ name: manager.name })
    this.force = new Promise((resolve) => {
      this.#forceWith = resolve
    })
    const { signals = host.signals } = options
    for (const signal of signals || []) this.#on(signal, () => this.#signal(signal))
    if (!host.exit) {
      this.#on('pagehide', (event) => {
        // A frozen page may come back.
        if (!(event as { persisted?: boolean }).persisted) this.#stop({ kind: 'pagehide' })
      })
    }
    const registration = manager.subscribe((event) => {
      if (event.state === 'draining')
        this.#stop(stops.get(manager)?.reason ?? { kind: 'requested' })
      host.publish(event.type, event)
    })
    this.#undo.push(() => registration.dispose())
  }

  close(): void {
    for (const undo of this.#undo) undo()
  }

  /** Runs it from start to end, once what it replaces has ended. */
  end(previous: Promise<unknown> | undefined): Promise<ShutdownReport> {
    const stopped = this.#manager.waitForShutdown()
    void stopped.then(({ reason }) => this.#stop(reason))
    void this.#start(previous)
    return Promise.race([this.force, this.#end(stopped)])
  }

  async #start(previous: Promise<unknown> | undefined): Promise<void> {
    const { startup, main } = this.#options
    const manager = this.#manager
    const { token } = this.#told
    let kind: 'start-failed' | 'main-failed' = 'start-failed'
    try {
      this.#startup = (async () => {
        if (previous !== undefined) {
          await previous
          if (this.#stopping) return
        }
        this.#watch() // only now: what was uncaught before is not ours
        this.#state = await within(token, () => startup({ manager, token }))
      })()
      await this.#startup.finally(() => {
        this.#startup = undefined
      })
      if (this.#stopping) return
      await manager.start()
      if (!main) return
      kind = 'main-failed'
      await manager.createTask((token) => main(this.#state as S, { manager, token }), {
        name: 'main',
        onError: 'ignore',
      })
      this.#stop({ kind: 'main-ended' })
    } catch (error) {
      this.#fail(kind, error)
    }
  }

  /** After the manager: what is left of startup, then cleanup. */
  async #end(stopped: Promise<ShutdownReport>): Promise<ShutdownReport> {
    const report = await stopped
    const { reason } = report
    const rest = Math.max(0, Math.ceil(this.#manager.shutdownTimeout - this.#age))
    const end = new Shutdown(this.#manager.name, rest, reason, noop)
    this.#last = end
    if (this.#startup !== undefined) {
      await end.step('stop', 'startup', undefined, () => this.#startup?.then(noop, noop))
    }
    const { cleanup } = this.#options
    if (cleanup) {
      await end.step('flush', 'cleanup', Infinity, (token) =>
        cleanup(this.#state, { reason, token }),
      )
    }
    const { entries, errors } = end.close()
    return {
      ...report,
      duration: this.#age,
      entries: [...report.entries, ...entries],
      errors: [...report.errors, ...errors],
    }
  }

  get #age(): Milliseconds {
    return this.#since === undefined ? 0 : performance.now() - this.#since
  }

  /** The report of the end, with what came late and with its code. */
  coded(end: ShutdownReport): ShutdownReport {
    const { exitCodes = 'clean-zero' } = this.#options
    const { kind, detail } = end.reason
    const errors = [...new Set([...end.errors, ...this.#late])]
    let code = errors.length ? 1 : 0
    // A stop by an AbortSignal has no number.
    const signalled = kind === 'signal' && typeof detail === 'string'
    if (exitCodes === 'signal' && signalled && !code) code = codeOf(detail)
    const coded = { ...end, errors, code }
    if (typeof exitCodes !== 'function') return coded
    try {
      const code = exitCodes(coded)
      if (Number.isInteger(code) && code >= 0 && code < 256) return { ...coded, code }
      throw badValue('exitCodes()', 'an integer from 0 to 255', code)
    } catch (error) {
      return { ...coded, code: 1, errors: [...coded.errors, error] }
    }
  }

  #stop(reason: ShutdownReason): void {
    if (this.#reason) return
    this.#reason = reason
    this.#since ??= performance.now()
    this.#told.cancel(
      new ShutdownError(`"${this.#manager.name}" was told to stop (${reason.kind})`, reason),
    )
    const begin = (): void => void this.#manager.shutdown(reason)
    const startup = this.#startup
    if (!startup) return begin()
    // What startup opens until it ends is registered, and stopped.
    const limit = new CancellationTokenSource({ timeout: this.#manager.shutdownTimeout / 2 })
    limited(limit, () => startup).then(begin, begin)
  }

  /** A stop was asked for, here or elsewhere. */
  get #stopping(): boolean {
    return this.#reason !== undefined || this.#manager.shuttingDown
  }

  /** Stops because of an error, or keeps one that comes while it stops. */
  #fail(kind: ShutdownReason['kind'], error: unknown): void {
    if (!this.#stopping) this.#stop({ kind, error: errorOf(error) })
    else if (!this.#isOurs(error)) this.late(error)
  }

  #signal(signal: string): void {
    const { secondSignal = 'force', signalDebounce = 500 } = this.#options
    const now = performance.now()
    if (this.#signalled === undefined) {
      this.#signalled = now
      this.#stop({ kind: 'signal', detail: signal })
    } else if (secondSignal === 'force' && now - this.#signalled >= signalDebounce) {
      this.#forceNow(codeOf(signal))
    }
  }

  /** Does it say only that we stop? */
  #isOurs(error: unknown): boolean {
    const tokens = [this.#told.token, this.#manager.token]
    return this.#stopping && (isCancelled(error) || tokens.some((token) => token.owns(error)))
  }

  #crash(kind: ShutdownReason['kind'], error: unknown): void {
    if (this.#isOurs(error)) return
    this.late(error)
    this.#reason ??= { kind, error: errorOf(error) }
    this.#forceNow(1)
  }

  #forceNow(code: number): void {
    this.forced = true
    const stop = stops.get(this.#manager)
    const reason = stop?.reason ?? (this.#reason as ShutdownReason)
    const duration = this.#age
    const { entries: steps, resources } = this.#manager.inspect()
    const starting = resources.filter(({ state }) => state === 'starting')
    const begun = starting.map(({ name, age }) => unfinished(name, age))
    if (this.#startup !== undefined && !this.#last) begun.push(unfinished('startup', duration))
    const entries = [...steps, ...begun, ...(this.#last?.report().entries ?? [])]
    const errors = new Set(stop?.errors)
    if (reason.error !== undefined) errors.add(reason.error)
    for (const { outcome, error } of entries) {
      if (outcome === 'error' || error !== undefined) errors.add(error)
    }
    for (const error of this.#late) errors.add(error)
    this.#forceWith({ reason, code, duration, errors: [...errors], entries })
  }

  #watch(): void {
    for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
      const policy = this.#options[kind] ?? 'shutdown'
      if (policy === 'ignore' || !this.#host.exit) continue
      this.#on(kind, (error) =>
        policy === 'crash' ? this.#crash(kind, error) : this.#fail(kind, error),
      )
    }
  }

  #on(event: string, listener: (argument: unknown) => void): void {
    this.#undo.push(this.#host.on(event, listener))
  }
}

/** Something of the start that a forced exit does not wait for. */
function unfinished(name: string, duration: Milliseconds): ShutdownEntry {
  return { name, phase: 'stop', duration, outcome: 'abandoned' }
}

const codeOf = (signal: string): number => 128 + (numbers[signal] ?? 0)

// A reason without an error would count as a clean one.
const errorOf = (error: unknown): unknown => error ?? new Error(`Thrown: ${error}`)

function check<S>(options: RunOptions<S>): void {
  const { startup, signals, exit = 'auto', exitCodes = 'clean-zero' } = checkOptions(options)
  checkFunction('startup', startup)
  checkGiven(options, checkFunction, 'main', 'cleanup')
  checkGiven(options, checkManager, 'manager')
  const names = Array.isArray(signals) && signals.every((each) => typeof each === 'string')
  if (signals !== undefined && signals !== false && !names) {
    throw badValue('signals', 'a list of names or false', signals, TypeError)
  }
  if (typeof exit !== 'function') oneOf('exit', exit, ['auto', 'never'])
  if (typeof exitCodes !== 'function') oneOf('exitCodes', exitCodes, ['clean-zero', 'signal'])
  oneOf('secondSignal', options.secondSignal, ['force', 'ignore', undefined])
  for (const option of ['uncaughtException', 'unhandledRejection'] as const) {
    oneOf(option, options[option], ['shutdown', 'crash', 'ignore', undefined])
  }
  checkGiven(options, checkMilliseconds, 'shutdownTimeout', 'signalDebounce', 'exitGrace')
}
