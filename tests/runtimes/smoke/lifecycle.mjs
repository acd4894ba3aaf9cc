import { delay } from '@uno-async/core'
import * as lifecycle from '@uno-async/lifecycle'
import { equal, errorOf, fails } from './assert.mjs'

const checks = {
  async AsyncManager({ AsyncManager }) {
    const log = []
    const manager = new AsyncManager({ name: 'app' })
    const resource = (name, dependsOn) =>
      manager.registerResource({
        name,
        dependsOn,
        start: async () => log.push(`+${name}`),
        stop: async () => void log.push(`-${name}`),
        check: () => true,
      })
    resource('http', ['db'])
    const db = resource('db', [])
    await manager.start()
    equal([manager.ready, manager.state, db.value], [true, 'running', 1])
    equal((await manager.health()).status, 'ok')
    const response = await manager.healthHandler()(new Request('http://localhost/ready'))
    equal(response.status, 200)
    const report = await manager.shutdown('deploy')
    equal([report.code, report.reason.detail, report.errors], [0, 'deploy', []])
    equal(log, ['+db', '+http', '-http', '-db'])
  },
  async LifecycleError({ AsyncManager, LifecycleError }) {
    const manager = new AsyncManager()
    for (const [name, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      manager.registerResource({ name, dependsOn: [other], start: () => 1 })
    }
    const error = await fails(manager.start(), LifecycleError)
    equal(error.code, 'ERR_LIFECYCLE')
  },
  async ManagedTask({ AsyncManager, ManagedTask }) {
    const manager = new AsyncManager()
    await manager.start()
    const task = manager.createTask(() => delay(1).then(() => 'done'), { name: 'one' })
    equal([task instanceof ManagedTask, task.active, task.name], [true, true, 'one'])
    equal([await task, task.state], ['done', 'done'])
    await manager.shutdown()
  },
  async ShutdownError({ AsyncManager, ShutdownError }) {
    const manager = new AsyncManager()
    await manager.start()
    const task = manager.createTask((token) => delay(60_000, { signal: token }))
    const failed = errorOf(task)
    await manager.shutdown()
    const error = await failed
    equal(
      [error instanceof ShutdownError, error.reason.kind, task.state],
      [true, 'requested', 'cancelled'],
    )
  },
  async asTask({ asTask }) {
    const send = asTask('send')(async (to) => `sent to ${to}`)
    const task = send('ada')
    equal([task.name, await task], ['send', 'sent to ada'])
  },
  async closeServer({ closeServer }) {
    let [idle, closed] = [0, undefined]
    await closeServer({
      close: (callback) => {
        closed = callback
      },
      closeIdleConnections: () => {
        if (++idle === 2) closed()
      },
      closeAllConnections: () => {},
    })
    equal(idle, 2)
  },
  async formatReport({ AsyncManager, formatReport }) {
    const text = formatReport(await new AsyncManager().shutdown('deploy'))
    equal(/^Stopped in \d+ ms: requested \(deploy\), code 0$/.test(text), true)
  },
  async getAsyncManager({ getAsyncManager }) {
    equal(getAsyncManager(), getAsyncManager())
  },
  async resetAsyncManager({ getAsyncManager, resetAsyncManager }) {
    const before = getAsyncManager()
    await resetAsyncManager()
    equal([before.state, getAsyncManager() === before], ['stopped', false])
  },
  async setAsyncManager({ AsyncManager, getAsyncManager, setAsyncManager, resetAsyncManager }) {
    const manager = new AsyncManager()
    setAsyncManager(manager)
    equal(getAsyncManager() === manager, true)
    await resetAsyncManager()
  },
  async runApplication({ AsyncManager, runApplication }) {
    const log = []
    const report = await runApplication({
      manager: new AsyncManager(),
      exit: 'never',
      startup({ manager }) {
        manager.registerResource({ name: 'db', start: () => 42, stop: () => log.push('stop') })
        return 'state'
      },
      main: (state) => log.push(`main with ${state}`),
      cleanup: () => log.push('cleanup'),
    })
    equal(
      [report.code, report.reason.kind, log],
      [0, 'main-ended', ['main with state', 'stop', 'cleanup']],
    )
  },
}

export default [{ specifier: '@uno-async/lifecycle', exports: lifecycle, checks }]
