import * as context from '@uno-async/context'
import { equal, errorOf, fails } from './assert.mjs'

/** Logs when it is entered and left. */
const named = (name, log) => ({
  enter: async () => {
    log.push(`+${name}`)
    return name
  },
  exit: async () => void log.push(`-${name}`),
})

const checks = {
  async AsyncContextGroup({ AsyncContextGroup }) {
    const log = []
    const group = new AsyncContextGroup({ a: named('a', log), b: named('b', log) })
    equal(await group.run(({ a, b }) => a + b), 'ab')
    equal(log, ['+a', '+b', '-b', '-a'])
  },
  async AsyncExitStack({ AsyncExitStack }) {
    const log = []
    const result = await AsyncExitStack.run(async (stack) => {
      stack.defer(() => log.push('deferred'))
      stack.use({ [Symbol.dispose]: () => log.push('disposed') })
      stack.use({ [Symbol.asyncDispose]: async () => log.push('disposed later') })
      return stack.enter(named('a', log))
    })
    equal([result, log], ['a', ['+a', '-a', 'disposed later', 'disposed', 'deferred']])
    const failing = AsyncExitStack.run((stack) => {
      for (const n of [1, 2]) stack.defer(() => Promise.reject(new Error(`${n}`)))
    })
    const error = await errorOf(failing)
    equal(
      [error.name, error.error.message, error.suppressed.message],
      ['SuppressedError', '1', '2'],
    )
    if (typeof SuppressedError === 'function') equal(error instanceof SuppressedError, true)
  },
  async ContextProtocolError({ ContextProtocolError, asyncContextManager, withContext }) {
    const empty = asyncContextManager(async function* () {})
    const error = await fails(
      withContext(empty(), () => {}),
      ContextProtocolError,
    )
    equal(error.code, 'ERR_CONTEXT_PROTOCOL')
  },
  async SUPPRESS({ SUPPRESS, withContext }) {
    const forgiving = { enter: () => 1, exit: () => SUPPRESS }
    const body = () => Promise.reject(new Error('x'))
    equal(await withContext(forgiving, body), undefined)
  },
  async asyncContextManager({ asyncContextManager, withContext }) {
    const log = []
    const manager = asyncContextManager(async function* (name) {
      try {
        yield name
      } catch (error) {
        log.push(error.message)
        throw error
      }
    })
    equal(await withContext(manager('a'), (name) => name), 'a')
    const failing = withContext(manager('b'), () => Promise.reject(new Error('x')))
    equal([(await errorOf(failing)).message, log], ['x', ['x']])
  },
  collectErrors({ collectErrors }) {
    const [one, two] = [new Error('1'), new Error('2')]
    equal(collectErrors(new AggregateError([two, new Error('3', { cause: one })])).length, 3)
  },
  async enterContext({ enterContext }) {
    const log = []
    const entered = await enterContext(named('a', log))
    equal(entered.value, 'a')
    await entered[Symbol.asyncDispose]()
    equal(log, ['+a', '-a'])
  },
  async withContext({ withContext }) {
    let disposed = false
    const resource = { [Symbol.asyncDispose]: async () => void (disposed = true) }
    equal(await withContext(resource, (it) => it === resource), true)
    equal(disposed, true)
  },
}

export default [{ specifier: '@uno-async/context', exports: context, checks }]
