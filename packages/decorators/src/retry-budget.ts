import { badValue, checkMilliseconds, checkOptions, type Milliseconds } from '@uno-async/core'

/** Says how many retries there may be; made by {@link retryBudget}, or your own. */
export interface RetryBudget {
  /** A call begins. */
  deposit(): void
  /** A call wants another attempt: may it? */
  withdraw(): boolean
}

/** How much {@link retryBudget} allows. */
export interface RetryBudgetOptions {
  /** Retries per call, default 0.2: one in five. */
  ratio?: number | undefined
  /** Retries per second on top, so that little traffic can retry too; default 10. */
  minPerSecond?: number | undefined
  /** How long calls and retries count, default 10 000. */
  ttl?: Milliseconds | undefined
}

const SLICES = 10

/**
 * Bounds retries by what was called, so that a server in trouble does not get all its traffic several times: of what
 * happened within `ttl`, at most `ratio` retries for each call, and `minPerSecond`. To be shared: one for each server.
 *
 * @throws TypeError, RangeError
 * @example
 * ```ts
 * import { retry, retryBudget } from '@uno-async/decorators'
 *
 * const budget = retryBudget({ ratio: 0.1 })
 * const first = retry({ budget })(async () => 'first')
 * const second = retry({ budget })(async () => 'second')
 * await Promise.all([first(), second()])
 * ```
 */
export function retryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const { ratio = 0.2, minPerSecond = 10, ttl = 10_000 } = checkOptions(options)
  for (const [name, value] of Object.entries({ ratio, minPerSecond })) {
    if (typeof value !== 'number' || !(value >= 0)) throw badValue(name, 'a number >= 0', value)
  }
  if (!checkMilliseconds('ttl', ttl) || ttl === Infinity) {
    throw badValue('ttl', 'a finite duration in milliseconds (> 0)', ttl)
  }
  // What calls brought and retries took, in slices of a tenth of `ttl`; the newest at `slice % SLICES`.
  const balances: number[] = new Array(SLICES).fill(0)
  let slice = 0
  const current = (): number => {
    const now = Math.floor((performance.now() / ttl) * SLICES)
    for (let i = Math.max(slice + 1, now - SLICES + 1); i <= now; i++) balances[i % SLICES] = 0
    slice = Math.max(slice, now)
    return slice % SLICES
  }
  const add = (amount: number): void => {
    balances[current()] = (balances[current()] as number) + amount
  }
  return {
    deposit: () => add(ratio),
    withdraw: () => {
      current()
      const left = balances.reduce((sum, each) => sum + each, (minPerSecond * ttl) / 1000)
      // A tenth of a call ten times is not quite a whole one.
      const allowed = left >= 1 - 1e-9
      if (allowed) add(-1)
      return allowed
    },
  }
}
