/** A promise that tells when somebody looks at it. A subclass, since those alone are asked for their `then` by `await`. */
export class Sight<T> extends Promise<T> {
  look: (() => void) | undefined = undefined

  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  // biome-ignore lint/suspicious/noThenProperty: a promise has one
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.look?.()
    return super.then(onFulfilled, onRejected)
  }

  /** Somebody else knows of its rejection. */
  handle(): void {
    super.then(undefined, () => {})
  }
}
