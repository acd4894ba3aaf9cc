import { AsyncExitStack, asyncContextManager, withContext } from '@uno-async/context'
import AsyncDisposableStack from 'disposablestack/AsyncDisposableStack'

const resource = { async [Symbol.asyncDispose]() {} }
const manager = { enter: async () => resource, exit: async () => {} }
const generated = asyncContextManager(async function* () {
  yield resource
})
const work = async () => 1

const times = (job) => async () => ({
  async run(n) {
    for (let i = 0; i < n; i++) await job()
  },
})

export const name = 'A context: enter and exit'
export const unit = 'ns'
export const subjects = {
  'AsyncExitStack: use, close': times(async () => {
    const stack = new AsyncExitStack()
    await stack.use(resource)
    await work()
    await stack.close()
  }),
  disposablestack: times(async () => {
    const stack = new AsyncDisposableStack()
    stack.use(resource)
    await work()
    await stack.disposeAsync()
  }),
  withContext: times(() => withContext(manager, work)),
  'withContext, of a generator': times(() => withContext(generated(), work)),
  'try, finally': times(async () => {
    const it = await manager.enter()
    try {
      return await work()
    } finally {
      await it[Symbol.asyncDispose]()
    }
  }),
}
