import { badValue } from '@uno-async/core'
import type { ManagedTaskOptions } from './contracts.js'
import { getAsyncManager } from './shared.js'
import type { ManagedTask } from './task.js'

/** What `asTask` with options gives: for a function, or as a method decorator of either dialect. */
export interface AsTaskDecorator {
  /** Standard decorator. The method keeps its type: a ManagedTask has then, catch and finally. */
  <F extends (this: never, ...args: never[]) => PromiseLike<unknown>>(
    method: F,
    context: ClassMethodDecoratorContext,
  ): F
  /** Legacy decorator, `experimentalDecorators`. */
  <F extends (this: never, ...args: never[]) => PromiseLike<unknown>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<F>,
  ): void
  <A extends unknown[], R>(fn: (...args: A) => R | PromiseLike<R>): (...args: A) => ManagedTask<R>
}

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown

/**
 * Makes each call a managed task of the AsyncManager that `getAsyncManager` gives at that time, and returns it at once.
 *
 * `asTask(fn)`, `asTask('name')(fn)`, `@asTask('name')` on a method. The task's token is
 * `CancellationToken.current` until the first `await`.
 *
 * @throws TypeError; a call throws TypeError or RangeError for bad options
 * @example
 * ```ts
 * import { asTask } from '@uno-async/lifecycle'
 * const sendMail = asTask(async (to: string) => `sent to ${to}`)
 * await sendMail('ada') // 'sent to ada'
 * ```
 */
export function asTask<A extends unknown[], R>(
  fn: (...args: A) => R | PromiseLike<R>,
): (...args: A) => ManagedTask<R>
export function asTask(options: string | ManagedTaskOptions): AsTaskDecorator
export function asTask(what: AnyFunction | string | ManagedTaskOptions): unknown {
  if (typeof what === 'function') return wrap(what, {})
  if (typeof what !== 'string' && Object(what) !== what) {
    throw badValue('options', 'a function, a name or options', what, TypeError)
  }
  const options = typeof what === 'string' ? { name: what } : what
  return (fn: unknown, _?: unknown, descriptor?: PropertyDescriptor) => {
    const method = descriptor ? descriptor.value : fn
    if (typeof method !== 'function') throw badValue('fn', 'a function', method, TypeError)
    const wrapped = wrap(method as AnyFunction, options)
    if (!descriptor) return wrapped
    descriptor.value = wrapped
  }
}

function wrap(fn: AnyFunction, options: ManagedTaskOptions): AnyFunction {
  const { name = fn.name || 'task' } = options
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    return getAsyncManager().createTask(() => fn.apply(this, args), { ...options, name })
  }
  return Object.defineProperties(wrapped, {
    name: { value: fn.name, configurable: true },
    length: { value: fn.length, configurable: true },
  })
}
