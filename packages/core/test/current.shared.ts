import {
  AsyncVariable,
  CancellationToken,
  CancellationTokenSource,
  captureContext,
  currentFrame,
} from '@uno-async/core'
import { describe, expect, it } from 'vitest'

const { none } = CancellationToken

/** What holds in either mode; `follows`: values follow `await`. */
export function currentContract(follows: boolean): void {
  const after = <T>(own: T, nothing: T): T => (follows ? own : nothing)

  describe('the current token', () => {
    it('is none where nobody set one', () => {
      expect(CancellationToken.current).toBe(none)
    })

    it('holds while run runs, nested, and run gives what fn gives', () => {
      const [a, b] = [new CancellationTokenSource().token, new CancellationTokenSource().token]
      const seen: CancellationToken[] = []
      const look = () => seen.push(CancellationToken.current)
      const result = a.run(() => {
        look()
        b.run(() => {
          look()
          none.run(look)
          look()
        })
        look()
        return 'result'
      })
      look()
      expect([result, seen]).toEqual(['result', [a, b, none, b, a, none]])
    })

    it('is put back when fn throws', () => {
      const [a, b] = [new CancellationTokenSource().token, new CancellationTokenSource().token]
      const fail = () => {
        throw new Error('mine')
      }
      a.run(() => {
        expect(() => b.run(fail)).toThrow('mine')
        expect(CancellationToken.current).toBe(a)
      })
      expect(() => a.run(fail)).toThrow('mine')
      expect(CancellationToken.current).toBe(none)
    })

    it('is its own of two interleaved functions, never that of the other', async () => {
      const tokens = [0, 1].map(() => new CancellationTokenSource().token)
      const runs = tokens.map((token) =>
        token.run(async () => {
          const seen = [CancellationToken.current]
          for (let i = 0; i < 3; i++) {
            await undefined
            seen.push(CancellationToken.current)
          }
          return seen
        }),
      )
      expect(CancellationToken.current).toBe(none)
      const seen = await Promise.all(runs)
      for (const [i, token] of tokens.entries()) {
        expect(seen[i]?.[0]).toBe(token)
        for (const late of seen[i]?.slice(1) ?? []) expect(late).toBe(after(token, none))
      }
    })

    it('is not that of who cancels in a native listener, but of who listens to a promise', async () => {
      const { token } = new CancellationTokenSource()
      const later = token.run(() => Promise.resolve().then(() => CancellationToken.current))
      expect(await later).toBe(after(token, none))
      const timer = token.run(
        () => new Promise((resolve) => setTimeout(() => resolve(CancellationToken.current), 1)),
      )
      expect(await timer).toBe(after(token, none))
    })
  })

  describe('a variable', () => {
    it('has its default, or undefined, where nobody set it', () => {
      expect(new AsyncVariable({ defaultValue: 5 }).get()).toBe(5)
      expect(new AsyncVariable<number>().get()).toBe(undefined)
      expect([new AsyncVariable().name, new AsyncVariable({ name: 'user' }).name]).toEqual([
        '',
        'user',
      ])
    })

    it('holds while run runs, undefined and null too', () => {
      const variable = new AsyncVariable<unknown>({ defaultValue: 'default' })
      for (const value of [undefined, null, 0, 'x']) {
        expect(variable.run(value, () => variable.get())).toBe(value)
      }
      expect(variable.get()).toBe('default')
    })

    it('is put back when fn throws, nested', () => {
      const variable = new AsyncVariable({ defaultValue: 0 })
      variable.run(1, () => {
        expect(() =>
          variable.run(2, () => {
            throw new Error('mine')
          }),
        ).toThrow('mine')
        expect(variable.get()).toBe(1)
      })
      expect(variable.get()).toBe(0)
    })

    it('leaves other variables and the token alone, and they it', () => {
      const [a, b] = [new AsyncVariable<number>(), new AsyncVariable<number>()]
      const { token } = new CancellationTokenSource()
      const seen = a.run(1, () =>
        token.run(() => b.run(2, () => [a.get(), b.get(), CancellationToken.current])),
      )
      expect(seen).toEqual([1, 2, token])
      expect(a.run(3, () => CancellationToken.current)).toBe(none)
    })

    it('hides what it had outside, and keeps nothing of that alive', () => {
      const [a, b] = [new AsyncVariable<number>(), new AsyncVariable<number>()]
      const nest = (depth: number): number[] =>
        depth ? a.run(depth, () => b.run(-depth, () => nest(depth - 1))) : kept()
      const kept = (): number[] => {
        const found: number[] = []
        for (let each = currentFrame()?.values; each; each = each.next) {
          found.push(each.value as number)
        }
        return found
      }
      expect(nest(100)).toEqual([-1, 1])
      expect([a.get(), b.get()]).toEqual([undefined, undefined])
    })

    it('is its own of two interleaved functions, never that of the other', async () => {
      const variable = new AsyncVariable({ defaultValue: 0 })
      const runs = [1, 2].map((value) =>
        variable.run(value, async () => {
          const first = variable.get()
          await undefined
          return [first, variable.get()]
        }),
      )
      expect(await Promise.all(runs)).toEqual([
        [1, after(1, 0)],
        [2, after(2, 0)],
      ])
    })
  })

  describe('captureContext', () => {
    it('brings back the variables and the token', async () => {
      const variable = new AsyncVariable({ defaultValue: 0 })
      const { token } = new CancellationTokenSource()
      const look = () => [variable.get(), CancellationToken.current]
      const empty = captureContext()
      const within = token.run(() => variable.run(1, () => captureContext()))
      expect(within(look)).toEqual([1, token])
      await undefined
      expect(within(look)).toEqual([1, token])
      expect(variable.run(2, () => within(look))).toEqual([1, token])
      expect(token.run(() => variable.run(2, () => empty(look)))).toEqual([0, none])
      expect(look()).toEqual([0, none])
      expect(() =>
        within(() => {
          throw new Error('mine')
        }),
      ).toThrow('mine')
      expect(look()).toEqual([0, none])
    })
  })
}
