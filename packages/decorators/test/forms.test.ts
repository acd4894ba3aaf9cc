import 'reflect-metadata'
import { CancellationToken } from '@uno-async/core'
import {
  type AsyncDecorator,
  cancellable,
  compose,
  concurrentLimited,
  rateLimited,
  retry,
  timeoutHandler,
  withToken,
} from '@uno-async/decorators'
import { describe, expect, it } from 'vitest'

const all: [string, AsyncDecorator][] = [
  ['cancellable', cancellable],
  ['timeoutHandler', timeoutHandler(1_000)],
  ['retry', retry()],
  ['rateLimited', rateLimited({ limit: 10 })],
  ['concurrentLimited', concurrentLimited(1)],
  ['compose', compose(retry(), concurrentLimited(1))],
]
const raw = (decorator: unknown) => decorator as (...form: unknown[]) => unknown

describe.each(all)('%s', (_, decorate) => {
  it('keeps name, length, own properties, symbols and metadata of the function', () => {
    const symbol = Symbol('own')
    const fn = Object.assign(async function load(_a: number, _b: number) {}, {
      [symbol]: 1,
      extra: 2,
    })
    Reflect.defineMetadata('path', '/items', fn)
    const wrapped = decorate(fn)
    expect(wrapped).not.toBe(fn)
    expect([wrapped.name, wrapped.length]).toEqual(['load', 2])
    expect([wrapped[symbol], wrapped.extra]).toEqual([1, 2])
    expect(Reflect.getOwnMetadata('path', wrapped)).toBe('/items')
    expect(Object.hasOwn(wrapped, 'prototype')).toBe(false)
  })

  it('takes a frozen function that has no name', async () => {
    expect(await decorate(Object.freeze(async () => 'done'))()).toBe('done')
  })

  it('keeps the flags of a legacy descriptor', () => {
    for (const flags of [
      { enumerable: true, writable: false, configurable: true },
      { enumerable: false, writable: true, configurable: false },
    ]) {
      const result = raw(decorate)({}, 'key', { ...flags, value: async () => {} })
      expect(result).toMatchObject(flags)
    }
  })

  it('turns what is thrown into a rejection, and a value into a promise', async () => {
    const boom = new TypeError('boom')
    const fails = decorate(() => {
      throw boom
    })
    await expect(fails()).rejects.toBe(boom)
    const value = raw(decorate)(() => 1) as () => Promise<number>
    expect(value()).toBeInstanceOf(Promise)
    expect(await value()).toBe(1)
    // biome-ignore lint/suspicious/noThenProperty: a lazy one, such as query builders are
    const lazy = raw(decorate)(() => ({ then: (ok: (it: string) => void) => ok('lazy') }))
    expect((lazy as () => Promise<string>)()).toBeInstanceOf(Promise)
    expect(await (lazy as () => Promise<string>)()).toBe('lazy')
  })

  it.each([
    ['class', class A {}],
    ['Generator function', function* () {}],
    ['AsyncGenerator function', async function* () {}],
  ])('refuses a %s', (kind, value) => {
    expect(() => raw(decorate)(value)).toThrow(TypeError)
    expect(() => raw(decorate)(value)).toThrow(`a ${kind} is no function that returns a promise`)
  })

  it('takes a method that is called class', async () => {
    const named = {
      class() {
        return Promise.resolve(1)
      },
    }
    expect(await (raw(decorate)(named.class) as () => Promise<number>)()).toBe(1)
  })

  it.each(['getter', 'setter', 'accessor', 'class'])('refuses a %s, decorated', (kind) => {
    const context = { kind, name: 'it' }
    expect(() => raw(decorate)(async () => {}, context)).toThrow(
      `Cannot decorate \`it\`: a ${kind}`,
    )
  })

  it('refuses what legacy decorators put on accessors and fields', () => {
    expect(() => raw(decorate)({}, 'it', { get: () => 1 })).toThrow('`it`: a getter')
    expect(() => raw(decorate)({}, 'it', { set: () => {} })).toThrow('`it`: a setter')
    expect(() => raw(decorate)({}, 'it', undefined)).toThrow(TypeError)
  })

  it.each([undefined, null, 1, 'text', {}, Symbol('s')])('refuses %s', (value) => {
    const form = decorate === cancellable ? [value, { kind: 'method', name: 'it' }] : [value]
    expect(() => raw(decorate)(...form)).toThrow(TypeError)
  })

  it('refuses, when it is called, what returns an async iterator', async () => {
    const call = raw(decorate)(function pages() {
      return (async function* () {})()
    }) as () => Promise<unknown>
    await expect(call()).rejects.toThrow('"pages" returned an async iterator, not a promise')
  })

  it('shows the caller in the stack of what fails later', async () => {
    const fails = decorate(async function deep() {
      await null
      throw new RangeError('deep')
    })
    async function theCaller() {
      await fails()
    }
    const source = CancellationToken.timeout(10_000)
    const { stack } = await source.run(theCaller).catch((error) => error)
    expect(stack).toContain('deep')
    expect(stack).toContain('theCaller')
  })

  it('gives each of two interleaved calls its own token, and none after an await', async () => {
    const seen: unknown[] = []
    const work = decorate(async (name: string) => {
      const token = CancellationToken.current
      await null
      seen.push([name, token.reason, CancellationToken.current === CancellationToken.none])
    })
    const one = CancellationToken.timeout(10_000)
    const two = CancellationToken.timeout(10_000)
    await Promise.all([one.run(() => work('one')), two.run(() => work('two'))])
    expect(seen).toEqual([
      ['one', undefined, true],
      ['two', undefined, true],
    ])
  })
})

describe('compose', () => {
  const log: string[] = []
  const noisy = (name: string): AsyncDecorator =>
    raw(((
      value: () => Promise<unknown>,
      context?: { kind?: string },
      descriptor?: PropertyDescriptor,
    ) => {
      const wrap = (fn: () => Promise<unknown>) =>
        async function (this: unknown) {
          log.push(`in ${name}`)
          const result = await fn.call(this)
          log.push(`out ${name}`)
          return result
        }
      if (descriptor) return { ...descriptor, value: wrap(descriptor.value) }
      return context?.kind === 'field' ? wrap : wrap(value)
    }) as never) as never

  it('is a(b(f)), like stacked decorators, in every form', async () => {
    const both = compose(noisy('a'), noisy('b'))
    class A {
      @both
      async method() {
        log.push('method')
      }
      @both
      field = async () => {
        log.push('field')
      }
    }
    const { value } = raw(both)({}, 'key', {
      value: async () => log.push('legacy'),
    }) as PropertyDescriptor
    const order = async (name: string, call: () => Promise<unknown>) => {
      log.length = 0
      await call()
      expect(log).toEqual(['in a', 'in b', name, 'out b', 'out a'])
    }
    await order(
      'fn',
      both(async () => log.push('fn')),
    )
    await order('method', () => new A().method())
    await order('field', () => new A().field())
    await order('legacy', value)
  })

  it('of nothing changes nothing', async () => {
    const fn = async () => 1
    expect(compose()(fn)).toBe(fn)
    class A {
      @compose()
      field = fn
    }
    expect(new A().field).toBe(fn)
  })

  it.each([undefined, null, 1, {}])('refuses %s', (value) => {
    expect(() => compose(retry(), value as never)).toThrow('Expected `decorator` to be a function')
  })
})

describe('withToken', () => {
  it('gives the current token as first argument, and keeps `this`, name and length', async () => {
    const host = {
      work: withToken(async function work(this: unknown, token, a: number, b: number) {
        return [this, token, a, b]
      }),
    }
    const token = CancellationToken.timeout(1_000)
    expect(await token.run(() => host.work(1, 2))).toEqual([host, token, 1, 2])
    expect([host.work.name, host.work.length]).toEqual(['work', 2])
    const inner = timeoutHandler(1_000)(withToken(async (it) => it.deadline))
    expect(await inner()).toBeLessThan(Infinity)
  })

  it.each([undefined, null, 1, {}])('refuses %s', (value) => {
    expect(() => withToken(value as never)).toThrow('Expected `fn` to be a function')
  })
})

it('a decorated field gives its name to a function that has none', () => {
  const field = (name: string | symbol) =>
    (cancellable as never as (v: undefined, c: object) => (fn: unknown) => { name: string })(
      undefined,
      { kind: 'field', name },
    )(
      (
        () => async () =>
          1
      )(),
    )
  expect([field('load').name, field(Symbol('s')).name]).toEqual(['load', '[s]'])
})

it('withToken turns what is thrown into a rejection', async () => {
  const fn = withToken((): Promise<void> => {
    throw new Error('sync')
  })
  await expect(fn()).rejects.toThrow('sync')
})
