import { AsyncResource, AsyncResourcePool, type PoolOptions } from '@uno-async/pool'
import { describe, expect, it } from 'vitest'

const functions = [1, 'x', {}, null]
const durations = [-1, NaN, '1', null, 1n, {}]
const counts = [-1, 1.5, NaN, '1', null]

const options: Record<string, unknown[]> = {
  name: [1, null],
  create: [...functions, undefined],
  destroy: functions,
  validate: functions,
  reset: functions,
  onBroken: functions,
  max: [...counts, 0, Infinity, undefined],
  min: [...counts, 3, Infinity],
  maxIdle: counts,
  maxWaiting: counts,
  order: ['random', 1, null],
  acquireTimeout: durations,
  createTimeout: durations,
  destroyTimeout: durations,
  validateTimeout: durations,
  idleTimeout: durations,
  maxLifetime: durations,
  lifetimeJitter: [-0.1, 1.1, NaN, '0', null],
  maxUses: [...counts, 0],
  validateAfterIdle: durations,
  retryCreate: [...functions, true],
  leakAfter: durations,
  onLeak: functions,
  onEvent: functions,
}
const good: PoolOptions<number> = { create: () => 1, max: 2 }
const cases = Object.entries(options).flatMap(([name, values]) =>
  values.map((value) => [name, value] as const),
)

describe('AsyncResourcePool', () => {
  it.each(cases)('takes no %s: %o', (name, value) => {
    expect(() => new AsyncResourcePool({ ...good, [name]: value })).toThrow(
      new RegExp(`^Expected \`${name}`),
    )
  })

  it('takes undefined and the bounds for the others', () => {
    for (const name of Object.keys(options)) {
      if (name !== 'create' && name !== 'max') new AsyncResourcePool({ ...good, [name]: undefined })
      if (options[name] === durations) {
        new AsyncResourcePool({ ...good, [name]: 0 })
        new AsyncResourcePool({ ...good, [name]: Infinity })
      }
    }
    new AsyncResourcePool({ ...good, maxIdle: 0, maxWaiting: 0, maxUses: Infinity, min: 2 })
    expect(() => new AsyncResourcePool(undefined as never)).toThrow(TypeError)
    expect(() => AsyncResourcePool.of(1 as never, { max: 1 })).toThrow('Expected `create`')
  })

  it.each([
    ['signal', {}],
    ['timeout', -1],
    ['timeout', 'x'],
    ['priority', NaN],
    ['priority', '1'],
  ])('rejects an acquire with %s: %o', async (name, value) => {
    const pool = new AsyncResourcePool(good)
    const bad = { [name]: value } as object
    await expect(pool.acquire(bad)).rejects.toThrow(`Expected \`${name}\``)
    await expect(pool.run(() => 1, bad)).rejects.toThrow(`Expected \`${name}\``)
    if (name !== 'priority') {
      await expect(pool.ready(bad)).rejects.toThrow(`Expected \`${name}\``)
    }
    expect(pool.stats()).toMatchObject({ waiting: 0, borrowed: 0 })
    await pool.run(() => {})
    await expect(pool.acquire(bad)).rejects.toThrow(`Expected \`${name}\``)
    expect(pool.stats()).toMatchObject({ idle: 1, borrowed: 0 })
  })

  it('rejects other mistakes', async () => {
    const pool = new AsyncResourcePool(good)
    await expect(pool.run(1 as never)).rejects.toThrow('Expected `use`')
    await expect(pool.run(() => 1, { destroyOn: 1 as never })).rejects.toThrow(
      'Expected `destroyOn`',
    )
    await expect(pool.close({ timeout: -1 })).rejects.toThrow('Expected `timeout`')
    await expect(pool.close({ drain: 1 as never })).rejects.toThrow('Expected `drain`')
    expect(() => pool.resize({ max: 0 })).toThrow('Expected `max`')
    expect(() => pool.resize({ min: -1 })).toThrow('Expected `min`')
    // A symbol would throw later, out of the message for somebody else.
    for (const label of [Symbol('s'), 5, null] as never[]) {
      await expect(pool.acquire({ label })).rejects.toThrow('Expected `label` to be a string')
      expect(() => pool.tryAcquire({ label })).toThrow(TypeError)
    }
    expect(pool.inspect().closed).toBe(false)
  })
})

describe('AsyncResource', () => {
  class Plain extends AsyncResource {
    protected override initialize(): void {}
    protected override cleanup(): void {}
  }

  it('takes no name but a string, and rejects bad waits', async () => {
    expect(() => new Plain({ name: 1 as never })).toThrow('Expected `name` to be a string')
    const plain = new Plain()
    await expect(plain.open({ timeout: -1 })).rejects.toThrow('Expected `timeout`')
    await expect(plain.open({ signal: 1 as never })).rejects.toThrow('Expected `signal`')
    expect(plain.state).toBe('new')
  })
})

describe('what is no object', () => {
  class Plain extends AsyncResource {
    protected override initialize(): void {}
    protected override cleanup(): void {}
  }

  it.each([null, 5, 'x'])('is not taken for options: %o', async (value) => {
    const bad = value as never
    const pool = new AsyncResourcePool(good)
    const expected = 'Expected `options` to be an object'
    await expect(pool.acquire(bad)).rejects.toThrow(expected)
    await expect(pool.run(() => 1, bad)).rejects.toThrow(expected)
    await expect(pool.ready(bad)).rejects.toThrow(expected)
    await expect(pool.close(bad)).rejects.toThrow(expected)
    await expect(new Plain().open(bad)).rejects.toThrow(expected)
    expect(() => new Plain(bad)).toThrow(expected)
    expect(() => pool.tryAcquire(bad)).toThrow(expected)
    expect(() => pool.resize(bad)).toThrow('Expected `bounds` to be an object')
    expect(() => pool.resize(undefined as never)).toThrow('Expected `bounds` to be an object')
  })

  it('what is no string or boolean is a TypeError, a number, too', async () => {
    expect(() => new AsyncResourcePool({ ...good, name: 5 as never })).toThrow(TypeError)
    expect(() => new AsyncResourcePool({ ...good, order: 5 as never })).toThrow(TypeError)
    expect(() => new Plain({ name: 5 as never })).toThrow(TypeError)
    await expect(new AsyncResourcePool(good).close({ drain: 1 as never })).rejects.toThrow(
      TypeError,
    )
  })

  it('undefined stands for the default everywhere', async () => {
    const pool = new AsyncResourcePool(good)
    pool.resize({ min: undefined, max: undefined })
    ;(await pool.acquire()).release({ destroy: undefined })
    await new Plain({ name: undefined }).open({ signal: undefined, timeout: undefined })
    await pool.close({ timeout: undefined, drain: undefined })
  })
})
