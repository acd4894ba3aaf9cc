import * as cache from '@uno-async/cache'
import { delay } from '@uno-async/core'
import { equal, errorOf } from './assert.mjs'

const checks = {
  async AsyncBatcher({ AsyncBatcher }) {
    const batches = []
    const batcher = new AsyncBatcher(async (items) => {
      batches.push(items)
      return items.map((it) => (it === 3 ? new Error('three') : it * 2))
    })
    equal(await Promise.all([batcher.add(1), batcher.add(2)]), [2, 4])
    const outcomes = await batcher.addMany([3, 4])
    equal([batches.length, outcomes[0].reason.message, outcomes[1].value], [2, 'three', 8])
    await batcher.close()
  },
  async AsyncCache({ AsyncCache }) {
    let loads = 0
    const pages = new AsyncCache({
      load: async (key, { signal }) => {
        await delay(1, { signal })
        return `${key}${++loads}`
      },
      ttl: 60_000,
      maxSize: 2,
    })
    equal(await Promise.all([pages.get('a'), pages.get('a')]), ['a1', 'a1'])
    equal(
      [await pages.get('b'), pages.peek('a'), pages.has('c'), pages.size],
      ['b2', 'a1', false, 2],
    )
    await pages.get('c')
    await pages.invalidate('c')
    equal([pages.size <= 2, pages.has('c'), pages.stats().loads], [true, false, 3])
    const stale = new AsyncCache({ ttl: 1, staleIfError: 60_000 })
    await stale.set('a', 'old')
    await delay(20)
    equal(await stale.get('a', () => Promise.reject(new Error('down'))), 'old')
    equal((await errorOf(stale.get('b', () => Promise.reject(new Error('down'))))).message, 'down')
    await Promise.all([pages.close(), stale.close()])
  },
  async cached({ cached }) {
    let calls = 0
    const add = cached(async (a, b) => ++calls && a + b)
    equal([await add(1, 2), await add(1, 2), calls, add.cache.size], [3, 3, 1, 1])
  },
}

export default [{ specifier: '@uno-async/cache', exports: cache, checks }]
