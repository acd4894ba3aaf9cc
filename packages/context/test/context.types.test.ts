import {
  AsyncContextGroup,
  type AsyncContextManager,
  AsyncExitStack,
  asyncContextManager,
  type ExitInfo,
  enterContext,
  SUPPRESS,
  withContext,
} from '@uno-async/context'
import type { CancellationToken } from '@uno-async/core'
import { expectTypeOf, it } from 'vitest'

const db: AsyncContextManager<{ query: string }> = { enter: () => ({ query: '' }), exit: () => {} }
const count: AsyncContextManager<number> = {
  enter: async () => 1,
  exit: async (info) => (info.ok ? undefined : SUPPRESS),
}

it('infers values and results', () => {
  expectTypeOf(withContext(db, (it) => it.query)).resolves.toEqualTypeOf<string | undefined>()
  expectTypeOf(withContext(count, async (it) => it)).resolves.toEqualTypeOf<number | undefined>()
  void withContext(count, (value, token) => {
    expectTypeOf(value).toEqualTypeOf<number>()
    expectTypeOf(token).toEqualTypeOf<CancellationToken>()
  })
  const resource = { x: 1, [Symbol.dispose]() {} }
  void withContext(resource, (it) => expectTypeOf(it).toEqualTypeOf<typeof resource>())
  expectTypeOf(enterContext(count)).resolves.toExtend<{ readonly value: number }>()
})

it('keeps the parameters of a generator', () => {
  const open = asyncContextManager(async function* (name: string, port: number) {
    yield { name, port }
  })
  expectTypeOf(open).toEqualTypeOf<
    (name: string, port: number) => AsyncContextManager<{ name: string; port: number }>
  >()
  // @ts-expect-error a generator cannot give anything but SUPPRESS
  asyncContextManager(async function* () {
    yield 1
    return true
  })
})

it('gives what the stack was given', () => {
  const stack = new AsyncExitStack()
  expectTypeOf(stack.enter(db)).resolves.toEqualTypeOf<{ query: string }>()
  expectTypeOf(stack.use(null)).toEqualTypeOf<null>()
  expectTypeOf(stack.adopt('x', (it) => it.length)).toEqualTypeOf<string>()
  stack.push(() => SUPPRESS)
  stack.defer((info) => expectTypeOf(info).toEqualTypeOf<ExitInfo>())
  // @ts-expect-error not disposable
  stack.use({})
  // @ts-expect-error an exit gives nothing or SUPPRESS
  stack.push(() => true)
})

it('gives the values of a group in the same places', () => {
  void new AsyncContextGroup([db, count]).run(([a, b]) => {
    expectTypeOf(a).toEqualTypeOf<{ query: string }>()
    expectTypeOf(b).toEqualTypeOf<number>()
  })
  void new AsyncContextGroup({ db, count }).run((values) => {
    expectTypeOf(values).toEqualTypeOf<{ db: { query: string }; count: number }>()
  })
  const counts = [count] // of whatever length
  void new AsyncContextGroup(counts).run((values) => expectTypeOf(values).toEqualTypeOf<number[]>())
  expectTypeOf(new AsyncContextGroup(counts)).toExtend<AsyncContextManager<number[]>>()
  const declared: AsyncContextGroup<AsyncContextManager<number>[]> = new AsyncContextGroup([count])
  expectTypeOf(declared.enter()).resolves.toEqualTypeOf<number[]>()
})

it('narrows ExitInfo', () => {
  const exit = (info: ExitInfo): void => {
    if (info.ok) return
    expectTypeOf(info.cancelled).toEqualTypeOf<boolean>()
    expectTypeOf(info.error).toEqualTypeOf<unknown>()
  }
  exit({ ok: true })
})
