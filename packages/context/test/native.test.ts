// What test262 says of AsyncDisposableStack, on ours; and on the native class too where the runtime has one.
import { AsyncExitStack } from '@uno-async/context'
import { describe, expect, it } from 'vitest'

interface Stack extends AsyncDisposable {
  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T
  adopt<T>(value: T, release: (value: T) => unknown): T
  defer(release: () => unknown): void
  move(): Stack
}
interface NativeStack extends Stack {
  disposeAsync(): Promise<void>
}

const Native = (globalThis as { AsyncDisposableStack?: new () => NativeStack }).AsyncDisposableStack
const stacks: [string, () => Stack][] = [['AsyncExitStack', () => new AsyncExitStack()]]
if (Native) stacks.push(['native AsyncDisposableStack', () => new Native()])

describe.each(stacks)('%s', (_, make) => {
  it('gives back what use and adopt are given, and nothing for defer', async () => {
    await using stack = make()
    const resource = { async [Symbol.asyncDispose]() {} }
    const disposable = { [Symbol.dispose]() {} }
    expect(stack.use(resource)).toBe(resource)
    expect(stack.use(disposable)).toBe(disposable)
    expect(stack.use(null)).toBe(null)
    expect(stack.use(undefined)).toBe(undefined)
    expect(stack.adopt(7, () => {})).toBe(7)
    expect(stack.defer(() => {})).toBe(undefined)
  })

  it('disposes in reverse order of all kinds', async () => {
    const log: unknown[] = []
    const stack = make()
    stack.use({ [Symbol.asyncDispose]: async () => void log.push(1) })
    stack.use({ [Symbol.dispose]: () => void log.push(2) })
    stack.adopt('three', (value) => log.push(value))
    stack.defer(() => log.push(4))
    await stack[Symbol.asyncDispose]()
    expect(log).toEqual([4, 'three', 2, 1])
  })

  it('reads asyncDispose before dispose, once, when used', async () => {
    const reads: PropertyKey[] = []
    const spy = <T extends object>(target: T): T =>
      new Proxy(target, {
        get(it, key, self) {
          reads.push(key)
          return Reflect.get(it, key, self)
        },
      })
    const stack = make()
    let called = ''
    stack.use(
      spy({
        [Symbol.asyncDispose]: async () => {
          called = 'async'
        },
        [Symbol.dispose]: () => {
          called = 'sync'
        },
      }),
    )
    expect(reads).toEqual([Symbol.asyncDispose])
    reads.length = 0
    stack.use(spy({ [Symbol.dispose]: () => {} }))
    expect(reads).toEqual([Symbol.asyncDispose, Symbol.dispose])
    await stack[Symbol.asyncDispose]()
    expect(reads).toEqual([Symbol.asyncDispose, Symbol.dispose])
    expect(called).toBe('async')
  })

  it('calls the method that was there when used, on the resource', async () => {
    const stack = make()
    const log: unknown[] = []
    const resource = {
      async [Symbol.asyncDispose](...args: unknown[]) {
        log.push(this, args.length)
      },
    }
    stack.use(resource)
    resource[Symbol.asyncDispose] = async () => void log.push('another')
    await stack[Symbol.asyncDispose]()
    expect(log).toEqual([resource, 0])
  })

  it('looks on when asyncDispose is null', async () => {
    const stack = make()
    let disposed = false
    stack.use({
      [Symbol.asyncDispose]: null,
      [Symbol.dispose]: () => {
        disposed = true
      },
    } as never)
    await stack[Symbol.asyncDispose]()
    expect(disposed).toBe(true)
  })

  it('does not wait for what a sync dispose returns', async () => {
    const stack = make()
    stack.use({ [Symbol.dispose]: () => new Promise<never>(() => {}) as never })
    await expect(stack[Symbol.asyncDispose]()).resolves.toBe(undefined)
  })

  it.each([
    ['a string', 'text'],
    ['true', true],
    ['a number', 1],
    ['an object without a method', {}],
    ['a method that is none', { [Symbol.asyncDispose]: 1 }],
    ['a method that is none, beside one', { [Symbol.asyncDispose]: 1, [Symbol.dispose]() {} }],
  ])('refuses %s with a TypeError', (_, value) => {
    expect(() => make().use(value as never)).toThrow(TypeError)
  })

  it('lets an accessor throw, and takes nothing', async () => {
    const stack = make()
    const error = new Error('getter')
    const broken = {
      get [Symbol.asyncDispose](): never {
        throw error
      },
    }
    expect(() => stack.use(broken)).toThrow(error)
    await expect(stack[Symbol.asyncDispose]()).resolves.toBe(undefined)
  })

  it('refuses releases that are no functions', () => {
    for (const value of [undefined, null, 1, {}, 'x']) {
      expect(() => make().adopt(1, value as never)).toThrow(TypeError)
      expect(() => make().defer(value as never)).toThrow(TypeError)
    }
  })

  it('nests errors: the newer in `error`, the older in `suppressed`', async () => {
    const stack = make()
    for (const error of [1, 2, 3]) {
      stack.defer(() => {
        throw error
      })
    }
    const error = await Promise.resolve(stack[Symbol.asyncDispose]()).catch((e) => e)
    expect([error.error, error.suppressed.error, error.suppressed.suppressed]).toEqual([1, 2, 3])
    expect(error.name).toBe('SuppressedError')
    for (const key of ['error', 'suppressed', 'message']) {
      expect(Object.getOwnPropertyDescriptor(error, key)).toMatchObject({
        writable: true,
        enumerable: false,
        configurable: true,
      })
    }
  })

  it('rejects with what a sync dispose throws', async () => {
    const stack = make()
    const error = new Error('sync')
    stack.use({
      [Symbol.dispose]() {
        throw error
      },
    })
    await expect(stack[Symbol.asyncDispose]()).rejects.toBe(error)
  })

  it('disposes once', async () => {
    const stack = make()
    let calls = 0
    stack.defer(() => calls++)
    await stack[Symbol.asyncDispose]()
    await stack[Symbol.asyncDispose]()
    expect(calls).toBe(1)
  })

  it('throws when something is added while it disposes, and goes on', async () => {
    const stack = make()
    const log: string[] = []
    stack.defer(() => log.push('last'))
    stack.defer(() => {
      expect(() => stack.defer(() => {})).toThrow()
      log.push('refused')
    })
    await stack[Symbol.asyncDispose]()
    expect(log).toEqual(['refused', 'last'])
  })

  it('moves', async () => {
    const stack = make()
    let calls = 0
    stack.defer(() => calls++)
    const moved = stack.move()
    expect(moved).not.toBe(stack)
    await stack[Symbol.asyncDispose]()
    expect(calls).toBe(0)
    expect(() => stack.move()).toThrow()
    await moved[Symbol.asyncDispose]()
    expect(calls).toBe(1)
  })

  it('works with `await using`, lowered by a compiler', async () => {
    const log: string[] = []
    {
      await using stack = make()
      stack.defer(() => log.push('disposed'))
      log.push('body')
    }
    expect(log).toEqual(['body', 'disposed'])
  })
})
