import { badValue, checkInteger, type Milliseconds } from '@uno-async/core'

/** How much, as given; what is left out stays as it is. */
interface RateChange {
  limit?: number | undefined
  interval?: Milliseconds | undefined
  burst?: number | undefined
}

/** How many may go when. Times come from outside and never go back. */
export interface Rate {
  /** How much may ever go at once. */
  readonly burst: number
  /** How late a timer may be without costing those who waited anything; 0: never give more than was due by the clock. */
  readonly grace: number
  /** How much may go at once, now. */
  available(now: number): number
  /** When the last of `units` that go one after the other, from `start` on, may go. */
  turn(units: number, start: number): number
  /** Takes `cost` at a point in time. */
  take(cost: number, at: number): void
  /** What was taken stays taken. @throws TypeError, RangeError */
  update(change: RateChange, now: number): void
}

const INTERVAL = 1_000
// What rounding took away must not become a timer.
const ROUNDING = 1e-6

/** A bucket that fills evenly. Its state is one number: when it would be full (GCRA). */
export class Bucket implements Rate {
  readonly grace = 2
  burst!: number
  #given: number | undefined // as the burst
  #limit!: number
  #interval = INTERVAL
  #full = -Infinity

  get #step(): number {
    return this.#interval / this.#limit
  }

  available(now: number): number {
    return Math.max(0, Math.floor(this.burst - this.#missing(now) + 1e-6))
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

  update(change: RateChange, now: number): void {
    const { limit = this.#limit, interval = this.#interval, burst = this.#given } = change
    checkPositive('limit', limit)
    checkPositive('interval', interval)
    const most =
      burst === undefined ? Math.max(1, Math.floor(limit)) : checkInteger('burst', burst, 1)
    const missing = this.#missing(now)
    this.#limit = limit
    this.#interval = interval
    this.#given = burst
    this.burst = most
    this.#full = now + Math.min(missing, most) * this.#step
  }

  #missing(now: number): number {
    return this.#full > now ? (this.#full - now) / this.#step : 0
  }
}

/** Never more than `limit` in any `interval`: remembers when the last went, as many as the highest limit so far. */
export class Window implements Rate {
  readonly grace = 0
  burst!: number // the limit
  #interval = INTERVAL
  #times: number[] = [] // a ring once there are `limit`, or were before that shrank
  #oldest = 0

  available(now: number): number {
    let [low, high] = [0, this.#times.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#nth(middle) + this.#interval <= now) low = middle + 1
      else high = middle
    }
    return Math.max(0, this.burst - this.#times.length + low)
  }

  turn(units: number, start: number): number {
    const { length } = this.#times
    const rounds = Math.ceil(units / this.burst) - 1
    const nth = units - rounds * this.burst - 1 - (this.burst - length)
    const first = nth < 0 ? start : Math.max(start, this.#nth(nth) + this.#interval)
    return first + rounds * this.#interval
  }

  take(cost: number, at: number): void {
    for (let i = 0; i < cost; i++) {
      if (this.#times.length < this.burst) this.#times.push(at)
      else {
        this.#times[this.#oldest] = at
        this.#oldest = (this.#oldest + 1) % this.#times.length
      }
    }
  }

  update({ limit = this.burst, interval = this.#interval, burst }: RateChange): void {
    checkInteger('limit', limit, 1)
    checkPositive('interval', interval)
    if (burst !== undefined) {
      throw badValue('burst', 'left out for a sliding window', burst, TypeError)
    }
    const { length } = this.#times
    this.#times = Array.from({ length }, (_, i) => this.#nth(i))
    this.#oldest = 0
    this.burst = limit
    this.#interval = interval
  }

  #nth(i: number): number {
    return this.#times[(this.#oldest + i) % this.#times.length] as number
  }
}

function checkPositive(option: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return
  throw badValue(option, 'a finite number > 0', value)
}
