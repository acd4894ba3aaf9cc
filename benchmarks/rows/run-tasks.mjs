import { runTasks } from '@uno-async/tasks'
import async from 'async'
import pLimit from 'p-limit'
import pMap from 'p-map'

const items = Array.from({ length: 100_000 }, (_, i) => i)
const job = async (i) => i
const concurrency = 16

export const name = '100 000 asynchronous tasks, 16 at once'
export const unit = 'ns'
export const n = items.length
export const goal = { 'async.mapLimit': 1.2, 'p-map': 2 }
export const subjects = {
  runTasks: async () => ({ run: () => runTasks(items, job, { concurrency }) }),
  'async.mapLimit': async () => ({ run: () => async.mapLimit(items, concurrency, job) }),
  'p-map': async () => ({ run: () => pMap(items, job, { concurrency }) }),
  'p-limit': async () => {
    const limit = pLimit(concurrency)
    return { run: () => Promise.all(items.map((i) => limit(job, i))) }
  },
  'Promise.all, no limit': async () => ({ run: () => Promise.all(items.map(job)) }),
}
