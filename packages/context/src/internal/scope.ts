import {
  badValue,
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
  report,
} from '@uno-async/core'
import {
  type AsyncContextManager,
  type ContextOptions,
  type ExitInfo,
  type ExitResult,
  SUPPRESS,
} from '../contracts.js'
import { add, DONE, isCancellation } from './info.js'
import { limited } from './limited.js'

/** What is exited: a context manager, or something made to look like one. */
export interface Exit {
  readonly name?: string | undefined
  exit(info: ExitInfo, token: CancellationToken): unknown
}

/** How it ended: with all that is pending, and with what the exits alone threw. */
export interface Unwound {
  readonly pending: ExitInfo
  readonly thrown: ExitInfo
}

/** Who has been entered, and how to get out again: the state of a stack and of a group. */
export class Scope {
  readonly what: string // for messages
  readonly token: CancellationToken // cancels enters and bodies
  readonly enterTimeout: Milliseconds
  readonly exitTimeout: Milliseconds
  state: 'open' | 'closing' | 'closed' = 'open'
  exits: Exit[] = [] // in order of entry
  readonly #entering = new Set<Promise<unknown>>()
  #source: CancellationTokenSource | undefined // made by the first enter; closing cancels it
  #closed: Promise<Unwound> | undefined
  // Invariants:
  //   I1  what was entered is in `exits`, or is being exited, or was
  //   I2  nothing is added to `exits` once this is not open

  constructor(kind: string, options: ContextOptions, outer?: CancellationToken) {
    const { name, signal, enterTimeout = Infinity, exitTimeout = Infinity } = checkOptions(options)
    if (name !== undefined && typeof name !== 'string') {
      throw badValue('name', 'a string', name, TypeError)
    }
    this.what = name === undefined ? kind : `${kind} "${name}"`
    this.token = outer ? CancellationToken.any(signal, outer) : CancellationToken.from(signal)
    this.enterTimeout = checkMilliseconds('enterTimeout', enterTimeout)
    this.exitTimeout = checkMilliseconds('exitTimeout', exitTimeout)
  }

  push(exit: Exit): void {
    this.assertOpen()
    this.exits.push(exit)
  }

  assertOpen(): void {
    if (this.state !== 'open') {
      throw new ClosedError(`${this.what} is ${this.state}: it does not take what it was offered`)
    }
  }

  /** Cancelled when this closes, or its signal is. */
  get enterToken(): CancellationToken {
    return (this.#source ??= new CancellationTokenSource({ signal: this.token })).token
  }

  /** Enters under `token`; comes too late, and is exited at once, when `end` has been cancelled by then. */
  async enter<T>(
    manager: AsyncContextManager<T>,
    token: CancellationToken = this.enterToken,
    end: CancellationToken = token,
  ): Promise<T> {
    this.assertOpen()
    checkManager(manager)
    token.throwIfCancelled()
    const [entering, begin] = deferred<T>() // known before it begins: an enter may close this
    this.#entering.add(entering)
    begin(this.#enter(manager, token, end))
    try {
      return await entering
    } finally {
      this.#entering.delete(entering)
    }
  }

  async #enter<T>(
    manager: AsyncContextManager<T>,
    token: CancellationToken,
    end: CancellationToken,
  ): Promise<T> {
    const value = await limited(
      `enter of ${manager.name ?? this.what}`,
      this.enterTimeout,
      token,
      (token) => manager.enter(token),
      (error) =>
        void this.#undo(manager, error).then((undone) => {
          if (undone !== error) report(undone)
        }),
    )
    if (end.cancelled) throw await this.#undo(manager, end.error)
    this.exits.push(manager)
    return value
  }

  /** Exits what nobody will hold; gives `error`, with what the exit added to it. */
  async #undo(manager: Exit, error: unknown): Promise<unknown> {
    const { pending } = await this.#unwind([manager], this.failure(error))
    return pending.ok ? error : pending.error
  }

  /** Exits all, the last first; once. Those that are entering are cancelled and waited for. */
  close(info: ExitInfo, token?: CancellationToken, concurrent?: boolean): Promise<Unwound> {
    if (!this.#closed) {
      const [closed, begin] = deferred<Unwound>() // known before it begins: an exit may close this
      this.#closed = closed
      begin(this.#close(info, token, concurrent))
    }
    return this.#closed
  }

  /** The same, as context managers do it: throws what exits threw, tells whether they swallowed. */
  async exit(info: ExitInfo, token?: CancellationToken, concurrent?: boolean): Promise<ExitResult> {
    const { pending, thrown } = await this.close(info, token, concurrent)
    if (!thrown.ok) throw thrown.error
    if (pending.ok && !info.ok) return SUPPRESS
  }

  async #close(info: ExitInfo, token?: CancellationToken, concurrent?: boolean): Promise<Unwound> {
    this.state = 'closing'
    if (this.#entering.size) {
      this.#source?.cancel(new ClosedError(`${this.what} was closed during the enter`))
      await Promise.allSettled(this.#entering)
    }
    const unwound = await this.#unwind(this.exits, info, token, concurrent)
    this.#source?.close()
    this.state = 'closed'
    return unwound
  }

  async #unwind(
    exits: Exit[],
    info: ExitInfo,
    token?: CancellationToken,
    concurrent?: boolean,
  ): Promise<Unwound> {
    let pending = info
    let thrown = DONE
    const told = new Set<unknown>() // the same error thrown again is nothing new
    if (!info.ok) told.add(info.error)
    const together = concurrent
      ? await Promise.allSettled(exits.map((exit) => this.#leave(exit, info, token)))
      : undefined
    // All were told of the same: that is all they can swallow.
    if (together?.some((each) => each.status === 'fulfilled' && each.value === SUPPRESS)) {
      pending = DONE
    }
    for (let exit = exits.pop(); exit; exit = exits.pop()) {
      try {
        const result = together ? outcome(together.pop()) : await this.#leave(exit, pending, token)
        if (together || result !== SUPPRESS) continue
        pending = thrown = DONE
        told.clear()
      } catch (error) {
        if (told.has(error)) continue
        const cancelled = isCancellation(error, this.token)
        thrown = add(thrown, error, cancelled)
        pending = add(pending, error, cancelled)
        told.add(error).add((pending as { error: unknown }).error)
      }
    }
    return { pending, thrown }
  }

  #leave(exit: Exit, info: ExitInfo, token?: CancellationToken): Promise<unknown> {
    return limited(`exit of ${exit.name ?? this.what}`, this.exitTimeout, token, (token) =>
      exit.exit(info, token),
    )
  }

  failure(error: unknown): ExitInfo {
    return { ok: false, error, cancelled: isCancellation(error, this.token) }
  }
}

/** A promise, and how to make it follow another. */
export function deferred<T>(): [Promise<T>, (other: Promise<T>) => void] {
  let follow!: (other: Promise<T>) => void
  const promise = new Promise<T>((resolve) => {
    follow = resolve
  })
  return [promise, follow]
}

export function checkManager(manager: AsyncContextManager<unknown>): void {
  for (const method of ['enter', 'exit'] as const) {
    checkFunction(`manager.${method}`, manager?.[method])
  }
}

function outcome(result: PromiseSettledResult<unknown> | undefined): unknown {
  if (result?.status === 'rejected') throw result.reason
  return result?.value
}
