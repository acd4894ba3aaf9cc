import { AsyncCache, type LoadContext } from '@uno-async/cache'
import { expect, it } from 'vitest'
import { deferred } from './helpers.js'

it('a tag is remembered once, however many loads are in flight', async () => {
  const contexts: LoadContext<number, string>[] = []
  const gate = deferred<string>()
  const cache = new AsyncCache<number, string>({
    load: (_, context) => {
      contexts.push(context)
      return gate.promise
    },
  })
  const all = Array.from({ length: 5_000 }, (_, key) => cache.get(key))
  await cache.invalidateTags(...Array.from({ length: 100_000 }, (_, i) => `${i}`))
  for (const [key, context] of contexts.entries()) context.tags = [key % 2 ? 'other' : `${key}`]
  gate.resolve('v')
  await Promise.all(all)
  expect(cache.size).toBe(2_500)
})
