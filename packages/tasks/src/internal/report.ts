/** Calls a hook of the user's; what it throws is reported (`reportError`, or an uncaught exception), and stops nobody. */
export function tell<A extends unknown[], R>(
  hook: ((...args: A) => R) | undefined,
  ...args: A
): R | undefined {
  try {
    return hook?.(...args)
  } catch (error) {
    if (typeof reportError === 'function') reportError(error)
    else
      queueMicrotask(() => {
        throw error
      })
    return undefined
  }
}
