import { type CancellationToken, CancellationTokenSource } from '@uno-async/core'
import type { AsyncCacheOptions, LoadContext, Loader } from '../types.js'
import { isError, outcomes } from './outcomes.js'

type LoadMany<K, V> = NonNullable<AsyncCacheOptions<K, V>['loadMany']>

interface Member<K, V> {
  readonly key: K
  readonly token: CancellationToken
  readonly resolve: (value: V) => void
  readonly reject: (error: unknown) => void
}

/** The loads of one getMany(): gathered, and made one call as soon as nobody else can join. */
export class Group<K, V> {
  readonly #loadMany: LoadMany<K, V>
  readonly #members: Member<K, V>[] = []
  readonly #ready: (() => void)[] = [] // begin when all can
  #awaited = 1 // who may still join, and the one who opened it

  constructor(loadMany: LoadMany<K, V>) {
    this.#loadMany = loadMany
  }

  expect(): void {
    this.#awaited++
  }

  /** Puts off a load until all can begin: what others still wait for shall not take its time. */
  defers(begin: () => void): boolean {
    if (!this.#awaited) return false
    this.#ready.push(begin)
    this.skip()
    return true
  }

  readonly load = (key: K, { token }: LoadContext<K, V>): Promise<V> =>
    new Promise((resolve, reject) => {
      this.#members.push({ key, token, resolve, reject })
    })

  /** One less to wait for. */
  skip(): void {
    if (--this.#awaited) return
    for (const begin of this.#ready) begin()
    void this.#dispatch()
  }

  async #dispatch(): Promise<void> {
    const members = this.#members
    if (!members.length) return
    const source = new CancellationTokenSource()
    let live = members.length
    for (const { token } of members) {
      token.onCancelled((reason) => --live || source.cancel(reason))
    }
    try {
      const { token } = source
      const keys = members.map(({ key }) => key)
      const result = await token.run(() => this.#loadMany(keys, { token }))
      const outcome = outcomes('loadMany', keys, result)
      members.forEach(({ key, resolve, reject }, i) => {
        const value = outcome(key, i)
        if (isError(value)) reject(value)
        else resolve(value)
      })
    } catch (error) {
      for (const { reject } of members) reject(error)
    } finally {
      source.close()
    }
  }
}

/** A group of its own for each load. */
export const alone =
  <K, V>(loadMany: LoadMany<K, V>): Loader<K, V> =>
  (key, context) => {
    const group = new Group(loadMany)
    const loaded = group.load(key, context)
    group.skip()
    return loaded
  }
