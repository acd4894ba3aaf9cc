import { CancellationToken, enableAsyncContext, isCancelled } from '@uno-async/core'
import { AsyncManager, runApplication, ShutdownError } from '@uno-async/lifecycle'
import { describe, expect, it } from 'vitest'

const verbs = ['shutdown', 'waitForShutdown'] as const

/** Its budgets outlast a test: who waits for one of them fails. */
const started = async () => {
  const manager = new AsyncManager({ shutdownTimeout: 3_600_000 })
  await manager.start()
  return manager
}

describe('a task that waits for the stop that waits for it', () => {
  it.each(verbs)('%s: its wait ends when it is cancelled, and the stop goes on', async (verb) => {
    const manager = await started()
    const order: string[] = []
    manager.addShutdownHook(() => order.push('stopped'))
    const task = manager.createTask(
      async () => {
        try {
          await manager[verb]()
        } finally {
          order.push('task ended')
        }
      },
      { name: 'loop' },
    )
    const { code, errors, entries } = await manager.shutdown()
    expect([code, errors, order]).toEqual([0, [], ['task ended', 'stopped']])
    expect(entries[0]).toMatchObject({ name: 'loop', phase: 'cancel', outcome: 'ok' })
    const error = await task.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ShutdownError)
    expect([task.state, isCancelled(error)]).toEqual(['cancelled', true])
  })

  it('is waited for if it does not wait', async () => {
    const manager = await started()
    const task = manager.createTask(async () => {
      void manager.shutdown('mine')
      for (let i = 0; i < 50; i++) await Promise.resolve()
      return 'saved'
    })
    const { reason, code, entries } = await manager.waitForShutdown()
    expect(task.state).toBe('done')
    expect([await task, code, reason.detail, entries[0]?.outcome]).toEqual([
      'saved',
      0,
      'mine',
      'ok',
    ])
  })

  it('is the one exception: everybody else has the same promise', async () => {
    const manager = await started()
    const other = await started()
    let inOther: unknown
    await other.createTask(() => {
      inOther = manager.shutdown()
    })
    expect(inOther).toBe(manager.shutdown())
    expect(await manager.waitForShutdown()).toBe(await inOther)
    await other.shutdown()
  })

  it.each(verbs)('%s: in main of runApplication, too', async (verb) => {
    const manager = new AsyncManager({ shutdownTimeout: 3_600_000 })
    const running = runApplication({
      manager,
      exit: 'never',
      startup: () => {},
      main: () => manager[verb](),
    })
    if (verb === 'waitForShutdown') {
      manager.addStartupHook(() => void setTimeout(() => manager.shutdown()))
    }
    const { code, errors, reason } = await running
    expect([code, errors, reason.kind]).toEqual([0, [], 'requested'])
  })

  it('after an await, too, with async context enabled', async () => {
    enableAsyncContext()
    const manager = await started()
    manager.createTask(async () => {
      await Promise.resolve()
      await manager.shutdown()
    })
    expect(await manager.waitForShutdown()).toMatchObject({ code: 0, errors: [] })
  })
})

describe('what a start sets in motion, with async context enabled', () => {
  type Start = () => Promise<void>
  type Way = (manager: AsyncManager, start: Start) => unknown
  it.each<[string, Way]>([
    ['a resource', (manager, start) => manager.registerResource({ name: 'http', start })],
    ['a startup hook', (manager, start) => manager.addStartupHook(start)],
    ['startup', (_, start) => start()],
  ])('%s: is not told to stop before the drain, and waits for the stop', async (_, way) => {
    enableAsyncContext()
    const manager = new AsyncManager({ shutdownTimeout: 3_600_000 })
    let request!: () => void
    const asked = new Promise<void>((resolve) => {
      request = resolve
    })
    let handled: Promise<unknown> | undefined
    const start = async () => {
      await Promise.resolve()
      // As a server's handlers run: in the context in which it was opened.
      handled = asked.then(async () => {
        process.emit('SIGUSR2')
        const report = manager.shutdown()
        return [CancellationToken.current.cancelled, (await report).code]
      })
    }
    const running = runApplication({
      manager,
      exit: 'never',
      signals: ['SIGUSR2'],
      startup: ({ manager }) => way(manager, start),
    })
    while (!manager.ready) await new Promise((resolve) => setTimeout(resolve))
    request()
    await running
    expect(await handled).toEqual([false, 0])
  })
})
