import { badValue, checkFunction, checkInteger, checkMilliseconds } from '@uno-async/core'
import type { PoolOptions } from '../types.js'

export const MAX_BACKOFF = 5_000

type WithDefault =
  | 'destroy'
  | 'min'
  | 'maxIdle'
  | 'maxWaiting'
  | 'order'
  | 'acquireTimeout'
  | 'createTimeout'
  | 'destroyTimeout'
  | 'validateTimeout'
  | 'idleTimeout'
  | 'maxLifetime'
  | 'lifetimeJitter'
  | 'maxUses'
  | 'validateAfterIdle'
  | 'retryCreate'
  | 'leakAfter'

/** {@link PoolOptions} with the defaults. */
export type Settings<T> = Omit<PoolOptions<T>, WithDefault> & {
  [K in WithDefault]: NonNullable<PoolOptions<T>[K]>
}

/** @throws TypeError, RangeError */
export function settle<T>(options: PoolOptions<T>): Settings<T> {
  checkFunction('create', options?.create)
  const defaults: Pick<Settings<T>, WithDefault> = {
    destroy: dispose,
    min: 0,
    maxIdle: Infinity,
    maxWaiting: Infinity,
    order: 'lifo',
    acquireTimeout: 30_000,
    createTimeout: 30_000,
    destroyTimeout: 5_000,
    validateTimeout: 5_000,
    idleTimeout: Infinity,
    maxLifetime: Infinity,
    lifetimeJitter: 0.1,
    maxUses: Infinity,
    validateAfterIdle: 500,
    retryCreate: backoff,
    leakAfter: Infinity,
  }
  const own: Settings<T> = { ...defaults, ...defined(options) } as Settings<T>
  const all = own as unknown as Record<string, unknown>
  const each = (names: string, check: (name: string, value: unknown) => unknown): void => {
    for (const name of names.split(' ')) if (all[name] !== undefined) check(name, all[name])
  }
  each('destroy validate reset onBroken onLeak onEvent', checkFunction)
  each(
    'acquireTimeout createTimeout destroyTimeout validateTimeout idleTimeout maxLifetime validateAfterIdle leakAfter',
    checkMilliseconds,
  )
  const count = (min: number) => (name: string, value: unknown) =>
    value === Infinity || checkInteger(name, value, min)
  each('maxIdle maxWaiting', count(0))
  each('maxUses', count(1))
  if (own.retryCreate !== false) checkFunction('retryCreate', own.retryCreate)
  const { name, order, lifetimeJitter } = own
  if (name !== undefined && typeof name !== 'string') {
    throw badValue('name', 'a string', name, TypeError)
  }
  if (order !== 'lifo' && order !== 'fifo') {
    throw badValue('order', '`lifo` or `fifo`', order, TypeError)
  }
  if (typeof lifetimeJitter !== 'number' || !(lifetimeJitter >= 0 && lifetimeJitter <= 1)) {
    throw badValue('lifetimeJitter', 'a number from 0 to 1', lifetimeJitter)
  }
  checkBounds(own.min, own.max)
  return own
}

export function checkObject(name: string, value: unknown): void {
  if (Object(value) !== value) throw badValue(name, 'an object', value, TypeError)
}

export function checkBounds(min: unknown, max: unknown): void {
  checkInteger('max', max, 1)
  checkInteger('min', min, 0)
  if ((min as number) > (max as number)) throw badValue('min', `at most \`max\` (${max})`, min)
}

function defined<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, it]) => it !== undefined)) as O
}

function dispose(resource: unknown): unknown {
  const it = resource as Partial<AsyncDisposable & Disposable & { close(): unknown }> | null
  return (it?.[Symbol.asyncDispose] ?? it?.[Symbol.dispose] ?? it?.close)?.call(it as never)
}

function backoff(_: unknown, attempt: number): number {
  return Math.random() * Math.min(MAX_BACKOFF, 10 * 2 ** (attempt - 1))
}
