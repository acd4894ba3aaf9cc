import {
  AsyncBatcher,
  AsyncCache,
  type CacheEntry,
  type CacheStats,
  cached,
  type LoadContext,
  type SecondTier,
} from '@uno-async/cache'
import type { CancellationToken } from '@uno-async/core'
import { Keyv as Keyv5 } from 'keyv'
import Keyv4 from 'keyv4'
import { Keyv as Keyv6, KeyvMemoryAdapter } from 'keyv6'
import { expectTypeOf } from 'vitest'

interface User {
  readonly id: string
}
declare const loadUser: (id: string) => Promise<User>

// what is loaded tells what is given
const users = new AsyncCache({ load: loadUser })
expectTypeOf(users).toEqualTypeOf<AsyncCache<string, User>>()
expectTypeOf(users.get('a')).resolves.toEqualTypeOf<User>()
expectTypeOf(users.get('a', loadUser, { ttl: 1 })).resolves.toEqualTypeOf<User>()
expectTypeOf(
  users.get('a', { load: loadUser, signal: AbortSignal.abort() }),
).resolves.toEqualTypeOf<User>()
expectTypeOf(users.getMany(['a'])).resolves.toEqualTypeOf<Map<string, User>>()
expectTypeOf(users.getEntry('a')).resolves.toEqualTypeOf<CacheEntry<User>>()
expectTypeOf(users.peek('a')).toEqualTypeOf<User | undefined>()
expectTypeOf(users.stats()).toEqualTypeOf<CacheStats>()
// @ts-expect-error
void users.get(1)
// @ts-expect-error
void users.set('a', 1)
// @ts-expect-error
users.size = 1
// @ts-expect-error
void users.get('a', () => 1)

new AsyncCache<string, number>({
  load: (key, context) => {
    expectTypeOf(context).toEqualTypeOf<LoadContext<string, number>>()
    context.ttl = 1
    context.tags = ['t']
    context.noStore = true
    // @ts-expect-error
    context.key = 'k'
    // @ts-expect-error
    context.background = false
    return key.length
  },
  loadMany: (keys, { token }) => {
    expectTypeOf(keys).toEqualTypeOf<readonly string[]>()
    expectTypeOf(token).toEqualTypeOf<CancellationToken>()
    return new Map(keys.map((key) => [key, 1]))
  },
})
// @ts-expect-error
new AsyncCache({ eviction: 'fifo' })
// @ts-expect-error
new AsyncCache({ maxsize: 1 })

// stores are passed in as they are
for (const store of [
  new Keyv4() as SecondTier,
  new Keyv5(),
  new Keyv6(),
  new KeyvMemoryAdapter(new Map()),
  new Map<string, unknown>(),
]) {
  new AsyncCache({ store })
}
// @ts-expect-error
new AsyncCache({ store: { get() {} } })

const opted = cached(async (a: number, b?: string) => `${a}${b}`, { key: (a) => `${a}` })
expectTypeOf(opted).toBeCallableWith(1)
expectTypeOf(opted).toBeCallableWith(1, 'b')
const area = cached(async (a: number, b: number) => a * b, { ttl: 1, key: (a, b) => `${a} ${b}` })
expectTypeOf(area).parameters.toEqualTypeOf<[a: number, b: number]>()
expectTypeOf(area(1, 2)).resolves.toEqualTypeOf<number>()
expectTypeOf(area.cache).toEqualTypeOf<AsyncCache<string, number>>()
// @ts-expect-error
void area('1', 2)
// @ts-expect-error
area.cache = users

const typed = new AsyncBatcher<number, string>((ids) => new Map(ids.map((id) => [id, `${id}`])))
expectTypeOf(typed.add(1)).resolves.toEqualTypeOf<string>()
expectTypeOf(typed.addMany([1])).toEqualTypeOf<Promise<PromiseSettledResult<string>[]>>()
// @ts-expect-error
void typed.add('1')
// @ts-expect-error
new AsyncBatcher<number, string>(() => [1])
