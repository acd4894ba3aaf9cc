import { runTasks } from '@uno-async/tasks'
import async from 'async'
import pLimit from 'p-limit'
import pMap from 'p-map'

let items = []
const take = (n) => {
  if (items.length !== n) items = Array.from({ length: n }, (_, i) => i)
  return items
}
const job = async (i) => i
const concurrency = 16

export const name = '100 000 asynchronous tasks, 16 at once'
export const unit = 'ns'
export const n = 100_000
export const sizes = [100, 1_000, 10_000, 100_000]
export const goal = { 'async.mapLimit': 1.2, 'p-map': 2 }
export const subjects = {
  runTasks: async () => ({ run: (n) => runTasks(take(n), job, { concurrency }) }),
  'async.mapLimit': async () => ({
    run: (n) => async.mapLimit(take(n), concurrency, job),
  }),
  'p-map': async () => ({ run: (n) => pMap(take(n), job, { concurrency }) }),
  'p-limit': async () => {
    const limit = pLimit(concurrency)
    return { run: (n) => Promise.all(take(n).map((i) => limit(job, i))) }
  },
  'Promise.all, no limit': async () => ({ run: (n) => Promise.all(take(n).map(job)) }),
}
