import { type CancellationTokenSource, checkFunction } from '@uno-async/core'
import type { AsyncDecorator, CommonOptions } from '../types.js'
import { Call, type Fn } from './call.js'

/** How a decorator treats a call. */
export type Around = (call: Call) => Promise<unknown>

interface Metadata {
  getOwnMetadataKeys?(target: object): unknown[]
  getOwnMetadata(key: unknown, target: object): unknown
  defineMetadata(key: unknown, value: unknown, target: object): void
}

/**
 * The decorator that puts around every call what `setUp` gives. `setUp` is asked once for each function, method
 * or field that is decorated, and told whether it belongs to an object.
 */
export function decorator(
  options: CommonOptions,
  setUp: (member: boolean) => Around,
): AsyncDecorator {
  return shapes((member) => {
    const around = setUp(member)
    return (fn, key, owner) => wrap(fn, around, options, key, owner)
  })
}

/** Takes a function in any of the forms in which decorators are called, to have it wrapped. */
function shapes(setUp: (member: boolean) => (fn: Fn, key?: unknown, owner?: object) => Fn) {
  return ((value: Fn, context: unknown, descriptor?: PropertyDescriptor) => {
    if (typeof context === 'string' || typeof context === 'symbol') {
      const fn = descriptor?.value
      if (typeof fn !== 'function') {
        throw unfit(descriptor?.get ? 'getter' : descriptor?.set ? 'setter' : 'field', context)
      }
      return { ...descriptor, value: setUp(true)(fn, context) }
    }
    const { kind, name } = Object(context) as Partial<ClassMemberDecoratorContext>
    if (kind && !/^(method|field)$/.test(kind)) throw unfit(kind, name)
    const apply = setUp(!!kind)
    if (kind !== 'field') return apply(value, name)
    return function (this: object, initial: Fn) {
      return apply(initial, name, this)
    }
  }) as AsyncDecorator
}

function wrap(
  fn: Fn,
  around: Around,
  options: CommonOptions,
  key: unknown = fn?.name,
  owner?: object,
): Fn {
  checkFunction('fn', fn)
  const kind = /^class$|^\[object (.*Generator)F/.exec(
    // With a parenthesis it is a method of that name.
    /^class\b(?!\s*\()/.test(Function.prototype.toString.call(fn))
      ? 'class'
      : Object.prototype.toString.call(fn),
  )
  if (kind) throw unfit(kind[1] ? `${kind[1]} function` : 'class', key)
  // A function in a decorated field has no name of its own yet.
  const own = fn.name || (typeof key === 'symbol' ? `[${key.description ?? ''}]` : String(key))
  const name = options.name ?? (own || undefined)
  // A method, since those have no `prototype`.
  const { wrapper } = {
    wrapper(this: unknown, ...args: unknown[]): Promise<unknown> {
      try {
        const call = new Call(fn, this ?? owner, args, name, options)
        call.token.throwIfCancelled()
        const outcome = around(call)
        return call.source ? closing(call.source, outcome) : outcome
      } catch (error) {
        return Promise.reject(error)
      }
    },
  }
  const { prototype, ...rest } = Object.getOwnPropertyDescriptors(fn)
  const given = { value: own, configurable: true }
  Object.defineProperties(wrapper, fn.name ? rest : { ...rest, name: given })
  const { getOwnMetadataKeys, getOwnMetadata, defineMetadata } = Reflect as unknown as Metadata
  for (const key of getOwnMetadataKeys?.(fn) ?? []) {
    defineMetadata(key, getOwnMetadata(key, fn), wrapper)
  }
  return wrapper
}

async function closing(
  source: CancellationTokenSource,
  outcome: Promise<unknown>,
): Promise<unknown> {
  try {
    return await outcome
  } finally {
    source.close()
  }
}

const unfit = (kind: string, key: unknown): TypeError =>
  new TypeError(
    `Cannot decorate \`${String(key)}\`: a ${kind} is no function that returns a promise`,
  )
