import type { Entry } from './entry.js'
import { type Link, List, unlink } from './list.js'

class Ghost<K> implements Link {
  next: Link = this
  prev: Link = this
  list: List<never> | undefined = undefined
  readonly key: K

  constructor(key: K) {
    this.key = key
  }
}

/**
 * S3-FIFO: newcomers pass through a small queue, a tenth of all; who is asked for twice there moves on to the
 * main queue, the others leave a ghost, and who comes back while that is remembered goes to the main queue at
 * once. So a scan washes through the small queue only. LRU is the same with the main queue alone.
 */
export class Eviction<K, V> {
  readonly #lru: boolean
  readonly #small = new List<Entry<K, V>>()
  readonly #main = new List<Entry<K, V>>()
  readonly #ghosts = new Map<K, Ghost<K>>()
  readonly #ghostList = new List<Ghost<K>>()

  constructor(lru: boolean) {
    this.#lru = lru
  }

  get count(): number {
    return this.#small.count + this.#main.count
  }

  hit(entry: Entry<K, V>): void {
    if (this.#lru) this.#main.push(entry)
    else if (entry.hits < 3) entry.hits++
  }

  /** After room was made for it: what has just come in is not what goes. */
  add(entry: Entry<K, V>): void {
    const ghost = this.#ghosts.get(entry.key)
    if (ghost) this.#bury(ghost)
    ;(this.#lru || ghost ? this.#main : this.#small).push(entry)
  }

  /** Takes out whom we can best do without. */
  evict(): Entry<K, V> {
    const small = this.#small
    const main = this.#main
    for (;;) {
      const young = small.count > 0 && small.count * 10 >= this.count
      const entry = (young ? small : main).take() as Entry<K, V>
      if (young) {
        if (entry.hits > 1) {
          entry.hits = 0
          main.push(entry)
          continue
        }
        const ghost = new Ghost(entry.key)
        this.#ghosts.set(entry.key, ghost)
        this.#ghostList.push(ghost)
        if (this.#ghostList.count > this.count) this.#bury(this.#ghostList.oldest as Ghost<K>)
      } else if (entry.hits > 0) {
        entry.hits--
        main.push(entry)
        continue
      }
      return entry
    }
  }

  forget(): void {
    for (const ghost of this.#ghosts.values()) this.#bury(ghost)
  }

  #bury(ghost: Ghost<K>): void {
    unlink(ghost)
    this.#ghosts.delete(ghost.key)
  }
}
