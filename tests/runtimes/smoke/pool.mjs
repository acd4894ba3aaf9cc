import * as pool from '@uno-async/pool'
import { equal, fails } from './assert.mjs'

const open = ({ AsyncResourcePool }, max = 1) => {
  let opened = 0
  const closed = []
  const connections = new AsyncResourcePool({
    name: 'db',
    max,
    create: async () => ({ id: ++opened }),
    destroy: async ({ id }) => void closed.push(id),
  })
  return { connections, closed }
}

const checks = {
  async AcquireTimeoutError(all) {
    const { connections } = open(all)
    const lease = await connections.acquire({ label: 'report' })
    const error = await fails(connections.acquire({ timeout: 5 }), all.AcquireTimeoutError)
    equal([error.code, error.stats.borrowed, error.holders[0].label], ['ETIMEDOUT', 1, 'report'])
    lease.release()
    await connections.close()
  },
  async AsyncResource({ AsyncResource, AsyncResourcePool }) {
    const log = []
    class Connection extends AsyncResource {
      async initialize() {
        log.push('open')
      }
      async cleanup() {
        log.push('close')
      }
    }
    const connections = AsyncResourcePool.of(() => new Connection(), { max: 1 })
    equal(await connections.run((it) => it.state), 'open')
    await connections.close()
    equal(log, ['open', 'close'])
  },
  async AsyncResourcePool(all) {
    const { connections, closed } = open(all, 2)
    const ids = await Promise.all([1, 2, 3].map(() => connections.run(async ({ id }) => id)))
    equal([new Set(ids).size, connections.stats().created, connections.stats().idle], [2, 2, 2])
    const { forced, errors } = await connections.close({ timeout: 1_000 })
    equal([forced, errors, closed.length], [0, [], 2])
  },
  async ReleasedError(all) {
    const { connections } = open(all)
    const lease = await connections.acquire()
    equal(lease.resource.id, 1)
    await lease[Symbol.asyncDispose]()
    const error = await fails(() => lease.resource, all.ReleasedError)
    equal(error.code, 'ERR_RELEASED')
    await connections.close()
  },
  Resource: ({ Resource, AsyncResource }) => equal(Resource === AsyncResource, true),
}

export default [{ specifier: '@uno-async/pool', exports: pool, checks }]
