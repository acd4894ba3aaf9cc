/** For errors of callbacks that nobody can receive: goes to `reportError`, or where that is missing becomes an uncaught exception. */
export function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error)
  else
    queueMicrotask(() => {
      throw error
    })
}
