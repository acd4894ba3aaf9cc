import { checkFunction } from '@uno-async/core'
import type { AsyncDecorator } from './types.js'

type Part = (value: unknown, context: unknown, descriptor?: unknown) => unknown

/**
 * Makes one decorator of several: `compose(a, b)(f)` is `a(b(f))`, like `@a @b` above a method.
 *
 * @example
 * ```ts
 * import { compose, retry, timeoutHandler } from '@uno-async/decorators'
 *
 * const patient = compose(timeoutHandler(10_000), retry(), timeoutHandler(2_000))
 * await patient(async () => 'done')() // 'done'
 * ```
 */
export function compose(...outerToInner: AsyncDecorator[]): AsyncDecorator {
  const parts = outerToInner.map((it) => checkFunction('decorator', it) as Part).reverse()
  return ((value: unknown, context: unknown, descriptor?: unknown) => {
    if (descriptor)
      return parts.reduce<unknown>((it, part) => part(value, context, it) ?? it, descriptor)
    if (value !== undefined) return parts.reduce<unknown>((it, part) => part(it, context), value)
    const steps = parts.map((part) => part(value, context) as (initial: unknown) => unknown)
    return function (this: unknown, initial: unknown) {
      return steps.reduce<unknown>((it, step) => step.call(this, it), initial)
    }
  }) as AsyncDecorator
}
