import { cached } from '@uno-async/cache'
import { describe, expect, it, vi } from 'vitest'

const spied = () => {
  const fn = vi.fn(async (...args: unknown[]) => args)
  return { fn, call: cached(fn) }
}

describe('cached', () => {
  it('calls once for the same arguments', async () => {
    const square = vi.fn(async (n: number) => n * n)
    const call = cached(square, { ttl: 1_000, name: 'square' })
    expect(await Promise.all([call(3), call(3), call(4)])).toEqual([9, 9, 16])
    expect(await call(3)).toBe(9)
    expect(square.mock.calls).toEqual([[3], [4]])
    expect(call.cache.size).toBe(2)
    await call.cache.close()
    await expect(call(3)).rejects.toThrow('AsyncCache "square" is closed')
  })

  const withProto = JSON.parse('{"__proto__":1}')
  it.each([
    [[1], ['1']],
    [[], [undefined]],
    [[undefined], [null]],
    [[null], ['null']],
    [[true], ['true']],
    [[0], [-0]],
    [[-0], []],
    [[null], []],
    [[1n], [2n]],
    [[new Map([['a', 1]])], [{ a: 1 }]],
    [[new Set([['a', 1]])], [{ a: 1 }]],
    [[1], [1n]],
    [['1n'], [1n]],
    [[['a', 'b']], ['a', 'b']],
    [[['a,b']], [['a', 'b']]],
    [[{ a: 1 }], [{ a: '1' }]],
    [[{ a: 1, b: 2 }], [{ a: 2, b: 1 }]],
    [[{}], [[]]],
    [[[]], [new Array(1)]],
    [[[undefined]], [new Array(1)]],
    [[{}], [withProto]],
    [[{ a: undefined }], [{}]],
    [[new Date(1)], [1]],
    [[new Date(1)], [new Date(2)]],
    [[new Map([[1, 2]])], [new Map([[2, 1]])]],
    [[new Map([[1, 2]])], [new Set([[1, 2]])]],
    [[new Set([1])], [[1]]],
    [[{ 'a,b': 1 }], [{ a: 1, b: 1 }]],
  ])('tells apart, pair %#', async (a, b) => {
    const { fn, call } = spied()
    await call(...a)
    await call(...b)
    expect(fn).toHaveBeenCalledTimes(2)
  })

  it.each([
    [[{ a: 1, b: { c: [1, 2], d: 3 } }], [{ b: { d: 3, c: [1, 2] }, a: 1 }]],
    [[NaN], [NaN]],
    [[new Date(5)], [new Date(5)]],
    [[new Set([1, 2])], [new Set([2, 1])]],
    [
      [
        new Map([
          [1, 1],
          [2, 2],
        ]),
      ],
      [
        new Map([
          [2, 2],
          [1, 1],
        ]),
      ],
    ],
    [[withProto], [JSON.parse('{"__proto__":1}')]],
    [[Object.create(null)], [{}]],
  ])('takes for the same, pair %#', async (a, b) => {
    const { fn, call } = spied()
    await call(...a)
    await call(...b)
    expect(fn).toHaveBeenCalledTimes(1)
  })

  it('takes the same object twice, but no cycle', async () => {
    const { call } = spied()
    const shared = { a: 1 }
    await call(shared, [shared, shared])
    const cycle: { self?: unknown } = {}
    cycle.self = { cycle }
    await expect(call(cycle)).rejects.toThrow(TypeError)
  })

  it.each([
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    ['an instance of a class', new (class Point {})()],
    ['an Error', new Error('e')],
    ['a typed array', new Uint8Array(1)],
    ['a promise', Promise.resolve()],
    ['an object with a symbol', { [Symbol('s')]: 1 }],
    ['an array with more than its elements', /b/.exec('ab')],
    ['an array with a symbol', Object.assign([1], { [Symbol('s')]: 1 })],
    ['an instance of a class of arrays', new (class List extends Array {})()],
    ['a Date with more than its time', Object.assign(new Date(1), { zone: 'UTC' })],
    ['a Map with more than its entries', Object.assign(new Map(), { of: 'users' })],
    ['something deep inside', { a: [new Map([[1, () => {}]])] }],
  ])('rejects %s', async (_, it) => {
    const { fn, call } = spied()
    await expect(call(it)).rejects.toThrow('told apart by structure')
    expect(fn).not.toHaveBeenCalled()
  })

  it('goes by `key` if there is one; one that throws rejects', async () => {
    const fn = vi.fn(async (user: { id: number }) => user.id)
    const call = cached(fn, { key: ({ id }) => `${id}` })
    const circular = { id: 1, self: null as unknown }
    circular.self = circular
    expect([await call(circular), await call({ id: 1 })]).toEqual([1, 1])
    expect(fn).toHaveBeenCalledTimes(1)
    await expect(call(null as never)).rejects.toThrow(TypeError)
  })
})
