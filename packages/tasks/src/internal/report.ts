import { report } from '@uno-async/core'

/** Calls a hook of the user's; what it throws is reported, and stops nobody. */
export function tell<A extends unknown[], R>(
  hook: ((...args: A) => R) | undefined,
  ...args: A
): R | undefined {
  try {
    return hook?.(...args)
  } catch (error) {
    return report(error) as undefined
  }
}
