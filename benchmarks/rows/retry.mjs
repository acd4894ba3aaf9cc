import { retry } from '@uno-async/decorators'
import { retry as cockatiel, handleAll } from 'cockatiel'
import { retry as esToolkit } from 'es-toolkit'
import pRetry from 'p-retry'
import { awaitSettled } from '../floor.mjs'

const job = async () => 1

export const name = 'Retry around a success'
export const unit = 'ns'
export const goal = { 'es-toolkit': 1, cockatiel: 2, 'p-retry': 4 }
export const note =
  'a record of the call, and a handler for its failure: the current token governs it'
export const subjects = {
  retry: async () => {
    const retried = retry({ maxAttempts: 3 })(job)
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await retried()
      },
    }
  },
  'es-toolkit': async () => ({
    async run(n) {
      for (let i = 0; i < n; i++) await esToolkit(job, { retries: 2 })
    },
  }),
  cockatiel: async () => {
    const policy = cockatiel(handleAll, { maxAttempts: 2 })
    return {
      async run(n) {
        for (let i = 0; i < n; i++) await policy.execute(job)
      },
    }
  },
  'p-retry': async () => ({
    async run(n) {
      for (let i = 0; i < n; i++) await pRetry(job, { retries: 2 })
    },
  }),
  ...awaitSettled,
}
