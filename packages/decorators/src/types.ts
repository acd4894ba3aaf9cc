import type { Cancellation } from '@uno-async/core'

/**
 * One value, four uses: `decorator(fn)`; `@decorator` on a method or a field holding a function, as
 * standardised by TC39; `@decorator` on a method with TypeScript's `experimentalDecorators`.
 *
 * Only what returns a promise is accepted, and keeps its type: generics, overloads, `this`.
 */
export interface AsyncDecorator {
  // The order matters: the higher-order function comes last.
  /** A method, static and `#private` ones included. */
  // biome-ignore lint/suspicious/noExplicitAny: parameters are contravariant
  <This, F extends (this: This, ...args: any) => PromiseLike<unknown>>(
    value: F,
    context: ClassMethodDecoratorContext<This, F>,
  ): F
  /** A field that holds a function. */
  // biome-ignore lint/suspicious/noExplicitAny: parameters are contravariant
  <This, F extends (...args: any) => PromiseLike<unknown>>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, F>,
  ): (this: This, initial: F) => F
  /** A method, with `experimentalDecorators`. */
  // biome-ignore lint/suspicious/noExplicitAny: parameters are contravariant
  <F extends (...args: any) => PromiseLike<unknown>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<F>,
    // biome-ignore lint/suspicious/noConfusingVoidType: what TypeScript expects of a decorator
  ): TypedPropertyDescriptor<F> | void
  /** Any function. */
  // biome-ignore lint/suspicious/noExplicitAny: parameters are contravariant
  <F extends (...args: any) => PromiseLike<unknown>>(fn: F): F
}

/** What every decorator can be told. */
export interface CommonOptions {
  /** Who this is in messages; default: the name of the function. */
  name?: string | undefined
  /** Cancels the calls, beside the current token and the argument at `signalArgument`. */
  signal?:
    | Cancellation
    | ((self: unknown, args: readonly unknown[]) => Cancellation | undefined)
    | undefined
  /**
   * Index of the parameter that carries `{ signal }`, an AbortSignal or a token. The function gets the
   * same kind of thing there, for its own token: a copy of the same class, `{ signal }` where the caller passed nothing.
   */
  signalArgument?: number | undefined
}

/** What to do when cancelled: `race` rejects at once, `cooperative` waits for the function, which can read its token. */
export type CancellationMode = 'race' | 'cooperative'
