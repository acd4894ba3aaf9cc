import { report } from '@uno-async/core'

/** What a hook throws is never ours. */
export function call<A extends unknown[]>(
  hook: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  try {
    hook?.(...args)
  } catch (error) {
    report(error)
  }
}
