import { timeout } from '@uno-async/sync'
import pTimeout from 'p-timeout'
import { awaitSettled } from '../floor.mjs'

const job = async () => 1

export const name = 'A timeout around a success'
export const unit = 'ns'
export const goal = { 'p-timeout': 8 }
export const subjects = {
  timeout: async () => ({
    async run(n) {
      for (let i = 0; i < n; i++) await timeout(5000, job)
    },
  }),
  'p-timeout': async () => ({
    async run(n) {
      for (let i = 0; i < n; i++) await pTimeout(job(), { milliseconds: 5000 })
    },
  }),
  ...awaitSettled,
}
