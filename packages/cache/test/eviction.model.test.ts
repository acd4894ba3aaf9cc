import { AsyncCache } from '@uno-async/cache'
import fc from 'fast-check'
import { expect, it } from 'vitest'

/** S3-FIFO on arrays, oldest first, as its paper has it. */
class Model {
  #small: { key: number; hits: number }[] = []
  #main: { key: number; hits: number }[] = []
  #ghosts: number[] = []

  constructor(readonly maxSize: number) {}

  get keys(): number[] {
    return [...this.#small, ...this.#main].map(({ key }) => key).sort((a, b) => a - b)
  }

  ask(key: number): void {
    const known = [...this.#small, ...this.#main].find((it) => it.key === key)
    if (known) {
      known.hits = Math.min(known.hits + 1, 3)
      return
    }
    if (this.keys.length >= this.maxSize) this.#evict()
    const isBack = this.#ghosts.includes(key)
    this.#ghosts = this.#ghosts.filter((it) => it !== key)
    ;(isBack ? this.#main : this.#small).push({ key, hits: 0 })
  }

  drop(key: number): void {
    this.#small = this.#small.filter((it) => it.key !== key)
    this.#main = this.#main.filter((it) => it.key !== key)
  }

  #evict(): void {
    for (;;) {
      const small = this.#small.length > 0 && this.#small.length >= this.keys.length / 10
      const it = (small ? this.#small : this.#main).shift() as { key: number; hits: number }
      if (small && it.hits < 2) {
        this.#ghosts.push(it.key)
        if (this.#ghosts.length > this.keys.length) this.#ghosts.shift()
        return
      }
      if (it.hits === 0) return
      it.hits = small ? 0 : it.hits - 1
      this.#main.push(it)
    }
  }
}

it('S3-FIFO keeps what its paper would, whatever is asked for', async () => {
  const few = fc.nat(8).map((key) => ({ key, drops: false }))
  const many = fc.nat(60).map((key) => ({ key, drops: false }))
  const drop = fc.nat(60).map((key) => ({ key, drops: true }))
  const step = fc.oneof({ weight: 6, arbitrary: few }, { weight: 6, arbitrary: many }, drop)
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.array(step, { minLength: 400, maxLength: 400 }),
      async (maxSize, steps) => {
        const model = new Model(maxSize)
        const cache = new AsyncCache<number, number>({ maxSize, load: (key) => key })
        for (const { key, drops } of steps) {
          if (drops) model.drop(key)
          else model.ask(key)
          await (drops ? cache.invalidate(key) : cache.get(key))
          const keys = Array.from({ length: 61 }, (_, i) => i).filter((it) => cache.has(it))
          expect(keys).toEqual(model.keys)
        }
      },
    ),
    { numRuns: 50 },
  )
}, 30_000)
