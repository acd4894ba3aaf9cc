import { badValue, type CancellationToken, checkFunction } from '@uno-async/core'
import type { AsyncContextManager, ContextOptions, ExitInfo, ExitResult } from './contracts.js'
import { DONE, wrongInfo } from './internal/info.js'
import { deferred, Scope } from './internal/scope.js'

/**
 * Collects what has to be cleaned up and does so in reverse order, each awaited before the next: an
 * AsyncDisposableStack whose exits learn how the work went, may fail without stopping the others, and
 * cannot be interrupted from outside.
 *
 * One exit that fails is thrown as it is. More nest like the language does, `SuppressedError(newer, older)`,
 * but a cancellation never stands before a real error, and of two cancellations the first is kept.
 *
 * @example
 * ```ts
 * import { AsyncExitStack } from '@uno-async/context'
 * const open = async (name: string) => ({ name, close: async () => {} })
 * const names = await AsyncExitStack.run(async (stack) => {
 *   const log = stack.adopt(await open('log'), (file) => file.close())
 *   stack.defer((info) => console.log(info.ok ? 'worked' : 'failed')) // runs first
 *   return [log.name]
 * })
 * ```
 */
export class AsyncExitStack implements AsyncDisposable {
  /**
   * Runs body with a stack that is closed afterwards, and gives what body gives; undefined if an exit
   * swallowed its error.
   *
   * @throws what body threw, with what exits threw; what `signal` was cancelled with, before body is called
   */
  static async run<R>(
    body: (stack: AsyncExitStack, token: CancellationToken) => R | PromiseLike<R>,
    options?: ContextOptions,
  ): Promise<R | undefined> {
    checkFunction('body', body)
    const stack = new AsyncExitStack(options)
    const scope = stack.#scope
    const { token } = scope
    token.throwIfCancelled()
    let info = DONE
    let result: R | undefined
    try {
      result = await token.run(() => body(stack, token))
    } catch (error) {
      info = scope.failure(error)
    }
    const open = scope.state === 'open'
    const { pending } = await scope.close(info)
    // If body closed it, then it has heard of what the exits threw.
    const end = open ? pending : info
    if (!end.ok) throw end.error
    return result
  }

  readonly #options: ContextOptions
  readonly #scope: Scope
  #closing: Promise<void> | undefined

  /**
   * @param options - `signal` and `enterTimeout` are for `enter`, `exitTimeout` for each exit, `name` for messages
   * @throws TypeError, RangeError
   */
  constructor(options: ContextOptions = {}) {
    this.#options = options
    this.#scope = new Scope('AsyncExitStack', options)
  }

  /** How many exits there are to run. */
  get size(): number {
    return this.#scope.exits.length
  }

  get state(): 'open' | 'closing' | 'closed' {
    return this.#scope.state
  }

  /**
   * Enters a context manager, to be exited with the stack, and gives its value. Cancelled or closed in the
   * meantime, it waits for the enter, and exits at once what succeeded after all.
   *
   * @throws ClosedError; TimeoutError after `enterTimeout`; what `signal` was cancelled with; TypeError
   */
  enter<T>(manager: AsyncContextManager<T>): Promise<T> {
    return this.#scope.enter(manager)
  }

  /**
   * Takes a resource and gives it back; its `Symbol.asyncDispose`, else its `Symbol.dispose`, is looked up
   * now. Null and undefined are let through.
   *
   * @throws TypeError if it has neither; ClosedError: then it is still yours to dispose
   */
  use<T extends AsyncDisposable | Disposable | null | undefined>(resource: T): T {
    this.#scope.assertOpen()
    if (resource === null || resource === undefined) return resource
    const slow = lookUp(resource, 'asyncDispose')
    const method = slow ?? lookUp(resource, 'dispose')
    if (typeof method !== 'function') {
      throw badValue('resource', 'an AsyncDisposable or a Disposable', resource, TypeError)
    }
    this.defer(() => {
      const result = method.call(resource)
      return slow && result
    })
    return resource
  }

  /** Takes a value that has no dispose method of its own, and how to release it; gives the value. @throws TypeError; ClosedError */
  adopt<T>(value: T, release: (value: T, info: ExitInfo, token: CancellationToken) => unknown): T {
    checkFunction('release', release)
    this.defer((info, token) => release(value, info, token))
    return value
  }

  /** Runs `release` on the way out; what it gives is awaited and ignored. @throws TypeError; ClosedError */
  defer(release: (info: ExitInfo, token: CancellationToken) => unknown): void {
    checkFunction('release', release)
    this.push(async (info, token) => {
      await release(info, token)
    })
  }

  /** Runs `exit` on the way out; by giving SUPPRESS it swallows the error that is pending then. @throws TypeError; ClosedError */
  push(
    exit: (info: ExitInfo, token: CancellationToken) => ExitResult | PromiseLike<ExitResult>,
  ): void {
    this.#scope.push({ exit: checkFunction('exit', exit) })
  }

  /** Moves all exits to a new stack with the same options and closes this one, without running anything. @throws ClosedError */
  move(): AsyncExitStack {
    const { exits } = this.#scope
    this.#scope.assertOpen()
    const moved = new AsyncExitStack(this.#options)
    moved.#scope.exits = exits.splice(0)
    void this.close()
    this.#scope.state = 'closed'
    return moved
  }

  /**
   * Runs all exits in reverse order, telling them of `info`: how the work went, by default well. The same
   * promise on every call.
   *
   * @throws only what exits threw, never `info.error`; TypeError
   */
  close(info: ExitInfo = DONE): Promise<void> {
    const wrong = wrongInfo(info)
    if (wrong) return Promise.reject(wrong)
    if (!this.#closing) {
      const [closing, begin] = deferred<void>() // known before it begins: an exit may call this
      this.#closing = closing
      begin(this.#scope.exit(info).then(() => {}))
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function lookUp(resource: object, name: 'asyncDispose' | 'dispose'): unknown {
  // Where the runtime lacks the symbol, compilers fall back to this one.
  const key: symbol = Symbol[name] ?? Symbol.for(`Symbol.${name}`)
  return (resource as Record<symbol, unknown>)[key]
}
