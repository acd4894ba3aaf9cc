import { badValue, checkFunction, checkInteger, checkMilliseconds } from '@uno-async/core'
import type { PoolOptions } from '../types.js'

export const MAX_BACKOFF = 5_000
export const DESTROY_TIMEOUT = 5_000

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
  const durations = {
    acquireTimeout: 30_000,
    createTimeout: 30_000,
    destroyTimeout: DESTROY_TIMEOUT,
    validateTimeout: 5_000,
    idleTimeout: Infinity,
    maxLifetime: Infinity,
    validateAfterIdle: 500,
    leakAfter: Infinity,
  }
  const counts = { maxIdle: Infinity, maxWaiting: Infinity, maxUses: Infinity }
  const defaults: Pick<Settings<T>, WithDefault> = {
    ...durations,
    ...counts,
    destroy: dispose,
    retryCreate: backoff,
    min: 0,
    order: 'lifo',
    lifetimeJitter: 0.1,
  }
  const own = { ...defaults, ...defined(options) } as Settings<T>
  const { name, order, lifetimeJitter, retryCreate } = own
  const all = own as unknown as Record<string, unknown>
  for (const it in durations) checkMilliseconds(it, all[it])
  for (const it in counts) {
    if (all[it] !== Infinity) checkInteger(it, all[it], it === 'maxUses' ? 1 : 0)
  }
  for (const it of ['destroy', 'validate', 'reset', 'onBroken', 'onLeak', 'onEvent']) {
    if (all[it] !== undefined) checkFunction(it, all[it])
  }
  if (retryCreate !== false) checkFunction('retryCreate', retryCreate)
  checkString('name', name)
  if (order !== 'lifo' && order !== 'fifo') {
    throw badValue('order', '`lifo` or `fifo`', order, TypeError)
  }
  if (typeof lifetimeJitter !== 'number' || !(lifetimeJitter >= 0 && lifetimeJitter <= 1)) {
    throw badValue('lifetimeJitter', 'a number from 0 to 1', lifetimeJitter)
  }
  checkBounds(own.min, own.max)
  return own
}

/** A string, where one is given. */
export function checkString(option: string, value: unknown): void {
  if (value === undefined || typeof value === 'string') return
  throw badValue(option, 'a string', value, TypeError)
}

export function checkBounds(min: unknown, max: unknown): void {
  checkInteger('max', max, 1)
  checkInteger('min', min, 0)
  if ((min as number) > (max as number)) throw badValue('min', `at most \`max\` (${max})`, min)
}

/** Without what is undefined. */
export function defined<O extends object>(of: O): { [K in keyof O]: Exclude<O[K], undefined> } {
  return Object.fromEntries(Object.entries(of).filter(([, it]) => it !== undefined)) as never
}

function dispose(resource: unknown): unknown {
  const it = resource as Partial<AsyncDisposable & Disposable & { close(): unknown }> | null
  return (it?.[Symbol.asyncDispose] ?? it?.[Symbol.dispose] ?? it?.close)?.call(it as never)
}

function backoff(_: unknown, attempt: number): number {
  return Math.random() * Math.min(MAX_BACKOFF, 10 * 2 ** (attempt - 1))
}
