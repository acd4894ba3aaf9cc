import { RateLimiter } from '@uno-async/sync'
import { RateLimiter as Limiter } from 'limiter'

export const name = 'A rate limiter asked without waiting'
export const unit = 'ns'
export const goal = { limiter: 2 }
export const note = 'half of it is the clock'
export const subjects = {
  'RateLimiter.tryAcquire': async () => {
    const limiter = new RateLimiter({ limit: 1e9 })
    return {
      run(n) {
        for (let i = 0; i < n; i++) limiter.tryAcquire()
      },
    }
  },
  limiter: async () => {
    const limiter = new Limiter({ tokensPerInterval: 1e9, interval: 'second' })
    return {
      run(n) {
        for (let i = 0; i < n; i++) limiter.tryRemoveTokens(1)
      },
    }
  },
}
