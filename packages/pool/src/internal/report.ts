/** For what a hook of the user throws: `reportError`, or where that is missing an uncaught exception. */
export function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error)
  else
    queueMicrotask(() => {
      throw error
    })
}
