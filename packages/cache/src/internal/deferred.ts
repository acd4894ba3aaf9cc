/** What settles the promise that was made last with {@link executor}. */
export let resolveLast: (value: never) => void
export let rejectLast: (error: unknown) => void

/** One for all promises to be settled from outside: a closure for each would take more memory than the promise. */
export const executor = (
  resolve: (value: never) => void,
  reject: (error: unknown) => void,
): void => {
  resolveLast = resolve
  rejectLast = reject
}
