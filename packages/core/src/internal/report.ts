/**
 * For errors of callbacks that nobody can receive: goes to `reportError`, or where that is missing becomes an
 * uncaught exception, as does what `reportError` throws. Never throws itself.
 */
export function report(error: unknown): void {
  let uncaught = error
  try {
    if (typeof reportError === 'function') return reportError(error)
  } catch (mistake) {
    uncaught = mistake
  }
  queueMicrotask(() => {
    throw uncaught
  })
}
