import { AsyncBatcher, AsyncCache, type CacheStats, type SecondTier } from '@uno-async/cache'
import type { Cancellation, CancellationToken } from '@uno-async/core'
import type { Db, Sessions } from '../database/session.js'

/** What only reads: one load however many ask, kept for `ttl` or until a command touches one of its tags. */
export interface Query<K, V> {
  readonly name: string
  /** Milliseconds, also the bound to how old an answer can be that another instance made void. */
  readonly ttl: number
  tags(key: K): string[]
  /** Many at once: those who ask in the same moment share a statement. */
  load(keys: readonly K[], db: Db): Promise<ReadonlyMap<K, V>>
}

export class QueryBus {
  readonly #sessions: Sessions
  readonly #store: SecondTier | undefined
  readonly #readers = new Map<string, Reader<unknown, unknown>>()

  constructor(sessions: Sessions, store?: SecondTier) {
    this.#sessions = sessions
    this.#store = store
  }

  async ask<K, V>(query: Query<K, V>, key: K, options: { signal?: Cancellation } = {}) {
    let reader = this.#readers.get(query.name) as Reader<K, V> | undefined
    if (!reader) {
      reader = new Reader(query, this.#sessions, this.#store)
      this.#readers.set(query.name, reader as Reader<unknown, unknown>)
    }
    return reader.cache.get(key, options)
  }

  async invalidate(tags: readonly string[]): Promise<void> {
    await Promise.all([...this.#readers.values()].map(({ cache }) => cache.invalidateTags(...tags)))
  }

  stats(): ({ name: string } & CacheStats)[] {
    return [...this.#readers].map(([name, { cache }]) => ({ name, ...cache.stats() }))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()))
  }
}

class Reader<K, V> {
  readonly cache: AsyncCache<K, V>
  readonly #batcher: AsyncBatcher<K, V>

  constructor({ name, ttl, tags, load }: Query<K, V>, sessions: Sessions, store?: SecondTier) {
    const read = (keys: readonly K[], token: CancellationToken) =>
      sessions.run((session) => load(keys, session.under(token)), { signal: token, label: name })
    this.#batcher = new AsyncBatcher(read, { name, keyOf: (key) => key, maxBatchSize: 100 })
    this.cache = new AsyncCache<K, V>({
      name,
      ttl,
      store,
      maxSize: 10_000,
      load: (key, context) => {
        context.tags = tags(key)
        return this.#batcher.add(key, { signal: context.token })
      },
    })
  }

  async close(): Promise<void> {
    await this.cache.close()
    await this.#batcher.close({ drop: true })
  }
}
