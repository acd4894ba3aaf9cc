import { timeoutHandler } from '@uno-async/decorators'
import pTimeout from 'p-timeout'
import { awaitSettled } from '../floor.mjs'

const job = async () => 1

export const name = 'A function that is given a timeout once, and then succeeds'
export const unit = 'ns'
export const goal = { 'p-timeout': 8 }
export const note = 'a source, a token and a host timer for each call'
export const subjects = {
  timeoutHandler: async () => {
    const timed = timeoutHandler(5000)(job)
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await timed()
      },
    }
  },
  'p-timeout': async () => ({
    async run(n) {
      for (let i = 0; i < n; i++) await pTimeout(job(), { milliseconds: 5000 })
    },
  }),
  ...awaitSettled,
}
