import {
  AsyncContextGroup,
  AsyncExitStack,
  asyncContextManager,
  enterContext,
  withContext,
} from '@uno-async/context'
import { describe, expect, it } from 'vitest'

const manager = { enter: () => 1, exit: () => {} }
const none = () => {}
const generator = async function* () {
  yield 1
}
const bad = {
  name: [null, 1, {}, Symbol('x')],
  signal: [1, 'x', {}, true],
  enterTimeout: [null, 'x', NaN, -1, {}],
  exitTimeout: [null, 'x', NaN, -1, {}],
}
const uses: Record<string, (options: never) => unknown> = {
  AsyncExitStack: (options) => new AsyncExitStack(options),
  'AsyncExitStack.run': (options) => AsyncExitStack.run(none, options),
  AsyncContextGroup: (options) => new AsyncContextGroup([manager], options),
  asyncContextManager: (options) => asyncContextManager(generator, options),
  withContext: (options) => withContext(manager, none, options),
  enterContext: (options) => enterContext(manager, options),
}

const cases = Object.entries(uses).flatMap(([use, make]) =>
  Object.entries(bad).flatMap(([option, values]) =>
    values.map((value) => ({ use, option, shown: String(value), value, make })),
  ),
)

describe('bad options', () => {
  it.each(cases)('$use refuses $option: $shown', async ({ make, option, value }) => {
    const attempt = (async () => make({ [option]: value } as never))()
    const error = (await attempt.catch((e) => e)) as Error
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect(error.message).toContain(`Expected \`${option}\``)
    if (option === 'name') expect(error).toBeInstanceOf(TypeError)
  })

  it.each(Object.entries(uses))('%s refuses options that are no object', async (_, make) => {
    for (const value of [null, 5, 'x'] as never[]) {
      const attempt = (async () => make(value))()
      await expect(attempt).rejects.toThrow('Expected `options` to be an object')
    }
  })

  it.each(['concurrent', 'exitConcurrently'])(
    'a group refuses a %s that is no boolean',
    (option) => {
      for (const value of [null, 1, 'false']) {
        const make = () => new AsyncContextGroup([manager], { [option]: value })
        expect(make).toThrow(`Expected \`${option}\` to be a boolean`)
      }
      new AsyncContextGroup([manager], { [option]: undefined })
    },
  )

  it.each(Object.entries(uses))(
    '%s takes options that are undefined, 0 or Infinity',
    async (_, make) => {
      const options = {
        name: undefined,
        signal: undefined,
        enterTimeout: undefined,
        exitTimeout: undefined,
      }
      await make(options as never)
      await make({ enterTimeout: Infinity, exitTimeout: Infinity, signal: null } as never)
    },
  )
})

const wrong = [undefined, null, 1, 'x', {}]

describe('bad arguments', () => {
  it.each(wrong)('constructors and synchronous functions throw for %s', (value) => {
    const stack = new AsyncExitStack()
    expect(() => asyncContextManager(value as never)).toThrow(TypeError)
    expect(() => stack.push(value as never)).toThrow(TypeError)
    expect(() => stack.defer(value as never)).toThrow(TypeError)
    expect(() => stack.adopt(1, value as never)).toThrow(TypeError)
    expect(() => new AsyncContextGroup([value] as never)).toThrow(TypeError)
    expect(() => new AsyncContextGroup().add(value as never)).toThrow(TypeError)
    expect(stack.size).toBe(0)
  })

  it.each(wrong)('asynchronous functions reject for %s', async (value) => {
    await expect(withContext(value as never, none)).rejects.toBeInstanceOf(TypeError)
    await expect(withContext(manager, value as never)).rejects.toBeInstanceOf(TypeError)
    await expect(enterContext(value as never)).rejects.toBeInstanceOf(TypeError)
    await expect(AsyncExitStack.run(value as never)).rejects.toBeInstanceOf(TypeError)
    await expect(new AsyncExitStack().enter(value as never)).rejects.toBeInstanceOf(TypeError)
    await expect(new AsyncContextGroup([manager]).run(value as never)).rejects.toBeInstanceOf(
      TypeError,
    )
  })

  it.each([null, 1, 'x', manager])('a group refuses %s for managers', (value) => {
    expect(() => new AsyncContextGroup(value as never)).toThrow(TypeError)
  })

  it.each([null, 1, 'x', {}])('close refuses %s, and can be called again', async (value) => {
    const stack = new AsyncExitStack()
    await expect(stack.close(value as never)).rejects.toThrow('Expected `info` to be an ExitInfo')
    expect(stack.state).toBe('open')
    await stack.close()
  })

  it.each([undefined, null, 1, 'x', {}])('the exit of a group refuses %s', async (value) => {
    const group = new AsyncContextGroup([manager])
    await group.enter()
    await expect(group.exit(value as never)).rejects.toThrow('Expected `info` to be an ExitInfo')
    expect(group.entered).toBe(true)
  })

  it('refuses a manager that lacks one of its methods before entering it', async () => {
    const half = { enter: () => expect.unreachable() }
    await expect(new AsyncExitStack().enter(half as never)).rejects.toThrow(
      'Expected `manager.exit`',
    )
  })
})
