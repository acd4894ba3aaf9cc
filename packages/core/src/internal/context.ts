import type { CancellationToken } from '../token.js'

/** What is in force for running code: the current token, and the values of the AsyncVariables. Never changed: `runIn` puts another in its place. */
export interface Frame {
  readonly token: CancellationToken | undefined
  readonly values: Values | undefined
}

/** Values in force, each key once, the last set first: few, so that a list is quicker than a copied Map. */
export interface Values {
  readonly key: object
  readonly value: unknown
  readonly next: Values | undefined
}

/** The one of a key, if it is among them. */
export function valueIn(values: Values | undefined, key: object): Values | undefined {
  while (values && values.key !== key) values = values.next
  return values
}

/** These, and `value` for `key`. */
export const withValue = (values: Values | undefined, key: object, value: unknown): Values => ({
  key,
  value,
  next: valueIn(values, key) ? without(values as Values, key) : values,
})

const without = ({ key, value, next }: Values, other: object): Values | undefined =>
  key === other ? next : { key, value, next: without(next as Values, other) }

interface Storage {
  get(): Frame | undefined
  run<R>(frame: Frame | undefined, fn: () => R): R
}

interface Slot {
  frame: Frame | undefined // in force for the synchronous part of what runs
  storage: Storage | undefined // set once async context is enabled
}

// The version is part of the key: copies of this package that agree on Slot share one.
const KEY = Symbol.for('@uno-async/core/context.1')
let known: Slot | undefined

const slot = (): Slot => {
  const shared = globalThis as unknown as Record<symbol, Slot | undefined>
  return (known ??= shared[KEY] ??= { frame: undefined, storage: undefined })
}

/** The frame in force here. For packages that enter a frame of their own: everybody else has `current` and AsyncVariable. */
export function currentFrame(): Frame | undefined {
  const { frame, storage } = slot()
  return storage?.get() ?? frame
}

/** Calls `fn` with `arg` while `frame` is in force, and gives what it gives. */
export function runIn<A, R>(frame: Frame | undefined, fn: (arg: A) => R, arg?: A): R {
  const here = slot()
  if (here.storage) return here.storage.run(frame, () => fn(arg as A))
  const outer = here.frame
  here.frame = frame
  try {
    return fn(arg as A)
  } finally {
    here.frame = outer
  }
}

interface Host {
  AsyncContext?: { Variable: new () => Storage }
  AsyncLocalStorage?: new () => { getStore(): Frame | undefined; run: Storage['run'] }
  process?: { getBuiltinModule?(name: string): Host | undefined }
}

export function enableStorage(): boolean {
  const here = slot()
  if (here.storage) return true
  const host = globalThis as Host
  const Variable = host.AsyncContext?.Variable
  if (Variable) here.storage = new Variable()
  else {
    const AsyncLocalStorage =
      host.process?.getBuiltinModule?.('node:async_hooks')?.AsyncLocalStorage ??
      host.AsyncLocalStorage
    if (!AsyncLocalStorage) return false
    const als = new AsyncLocalStorage()
    here.storage = { get: () => als.getStore(), run: (frame, fn) => als.run(frame, fn) }
  }
  return true
}
