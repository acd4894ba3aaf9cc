let resolveLast: (value: never) => void
let rejectLast: (error: unknown) => void

// One executor for all: a closure for each would take more memory than the promise.
const executor = (resolve: (value: never) => void, reject: (error: unknown) => void): void => {
  resolveLast = resolve
  rejectLast = reject
}

/** A promise to be settled from outside. */
export class Deferred<R> {
  readonly promise: Promise<R> = new Promise<R>(executor)
  readonly resolve: (value: R) => void = resolveLast as never
  readonly reject: (error: unknown) => void = rejectLast
}
