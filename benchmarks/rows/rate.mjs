import { RateLimiter } from '@uno-async/sync'
import { RateLimiter as Limiter } from 'limiter'
import pThrottle from 'p-throttle'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { awaitSettled } from '../floor.mjs'

const limit = 1e9

export const name = 'A rate limiter with a token at hand: await a turn'
export const unit = 'ns'
export const goal = { 'p-throttle': 2, 'rate-limiter-flexible': 2 }
export const note = 'clock and await are half of it, for all of them'
export const subjects = {
  'RateLimiter.acquire': async () => {
    const limiter = new RateLimiter({ limit })
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await limiter.acquire()
      },
    }
  },
  'p-throttle': async () => {
    const throttled = pThrottle({ limit: 1e6, interval: 0 })(async () => 1)
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await throttled()
      },
    }
  },
  'rate-limiter-flexible': async () => {
    const limiter = new RateLimiterMemory({ points: limit, duration: 1 })
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await limiter.consume('key')
      },
    }
  },
  limiter: async () => {
    const limiter = new Limiter({ tokensPerInterval: limit, interval: 'second' })
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await limiter.removeTokens(1)
      },
    }
  },
  ...awaitSettled,
}
