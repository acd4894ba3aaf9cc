import { badValue, checkInteger } from '@uno-async/core'

/** How many may go when. Times come from outside and never go back. */
export interface Rate {
  limit: number
  interval: number
  burst: number
  /** How late a timer may be without costing those who waited anything; 0: never give more than was due by the clock. */
  readonly grace: number
  /** How much may go at once. */
  available(now: number): number
  /** When the last of `units` that go one after the other, from `start` on, may go. */
  turn(units: number, start: number): number
  /** Takes `cost` at a point in time. */
  take(cost: number, at: number): void
  update(limit: number, interval: number, burst: number, now: number): void
}

// What rounding took away must not become a timer.
const ROUNDING = 1e-6

/** A bucket that fills evenly. Its state is one number: when it would be full (GCRA). */
export class Bucket implements Rate {
  limit: number
  interval: number
  burst: number
  readonly grace = 2
  #full = -Infinity

  constructor(limit: number, interval: number, burst: number) {
    this.limit = limit
    this.interval = interval
    this.burst = burst
  }

  get #step(): number {
    return this.interval / this.limit
  }

  available(now: number): number {
    const missing = Math.max(0, this.#full - now) / this.#step
    return Math.max(0, Math.floor(this.burst - missing + 1e-6))
  }

  turn(units: number, start: number): number {
    const full = Math.max(this.#full, start)
    return Math.max(start, full + (units - this.burst) * this.#step - ROUNDING)
  }

  take(cost: number, at: number): void {
    const full = Math.max(this.#full, at) + cost * this.#step
    // More is missing than there is only if somebody else said that it may go. A turn is that little early.
    this.#full = Math.min(full, at + this.burst * this.#step + ROUNDING)
  }

  update(limit: number, interval: number, burst: number, now: number): void {
    const missing = Math.max(0, this.#full - now) / this.#step
    this.limit = limit
    this.interval = interval
    this.burst = burst
    this.#full = now + Math.min(missing, burst) * this.#step
  }
}

/** Never more than `limit` in any `interval`: remembers when the last went, as many as the highest limit so far. */
export class Window implements Rate {
  limit: number
  interval: number
  burst: number
  readonly grace = 0
  #times: number[] = [] // a ring once there are `limit`, or were before that shrank
  #oldest = 0

  constructor(limit: number, interval: number) {
    this.limit = this.burst = limit
    this.interval = interval
  }

  available(now: number): number {
    let [low, high] = [0, this.#times.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#nth(middle) + this.interval <= now) low = middle + 1
      else high = middle
    }
    return Math.max(0, this.limit - this.#times.length + low)
  }

  turn(units: number, start: number): number {
    const { length } = this.#times
    const rounds = Math.ceil(units / this.limit) - 1
    const nth = units - rounds * this.limit - 1 - (this.limit - length)
    const first = nth < 0 ? start : Math.max(start, this.#nth(nth) + this.interval)
    return first + rounds * this.interval
  }

  take(cost: number, at: number): void {
    for (let i = 0; i < cost; i++) {
      if (this.#times.length < this.limit) this.#times.push(at)
      else {
        this.#times[this.#oldest] = at
        this.#oldest = (this.#oldest + 1) % this.#times.length
      }
    }
  }

  update(limit: number, interval: number): void {
    const { length } = this.#times
    this.#times = Array.from({ length }, (_, i) => this.#nth(i))
    this.#oldest = 0
    this.limit = this.burst = limit
    this.interval = interval
  }

  #nth(i: number): number {
    return this.#times[(this.#oldest + i) % this.#times.length] as number
  }
}

/** Checks what is given of a rate; gives how much may go at once. */
export function checkRate(
  strict: boolean,
  limit: number,
  interval: number,
  burst: number | undefined,
): number {
  if (strict) checkInteger('limit', limit, 1)
  else checkFinite('limit', limit)
  checkFinite('interval', interval)
  if (burst === undefined) return Math.max(1, Math.floor(limit))
  if (strict) throw badValue('burst', 'left out for a sliding window', burst, TypeError)
  return checkInteger('burst', burst, 1)
}

function checkFinite(option: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return
  throw badValue(option, 'a finite number > 0', value)
}
