// Applications for process tests: run by `node app.mjs SCENARIO [ARG]`.

import { subscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delay } from '@uno-async/core'
import { AsyncManager, closeServer, type RunOptions, runApplication } from '@uno-async/lifecycle'

const [, , scenario = '', arg = ''] = process.argv
const say = (text: string): void => void process.stdout.write(`${text}\n`)

const resource = (manager: AsyncManager, name: string, stop: () => unknown = () => {}) =>
  manager.registerResource({
    name,
    start: () => say(`start ${name}`),
    async stop() {
      await stop()
      say(`stop ${name}`)
    },
  })

const base: RunOptions<unknown> = {
  startup({ manager }) {
    resource(manager, 'db')
    manager.registerResource({
      name: 'api',
      dependsOn: ['db'],
      start: () => say('start api'),
      drain: () => say('drain api'),
      stop: () => say('stop api'),
      flush: () => say('flush api'),
    })
    manager.addStartupHook(() => say('ready'))
  },
  cleanup: (_, { reason }) => say(`cleanup ${reason.kind} ${reason.detail ?? ''}`.trim()),
}

const scenarios: Record<string, () => RunOptions<unknown> | undefined> = {
  clean: () => base,
  'code-signal': () => ({ ...base, exitCodes: 'signal' }),
  'code-function': () => ({ ...base, exitCodes: () => 42 }),
  main: () => ({ ...base, main: () => say('main') }),
  'own-code': () => ({
    ...base,
    exitGrace: 100,
    main: () => {
      process.exitCode = 3
      if (arg === 'leak') setInterval(() => {}, 1_000)
      if (arg === 'fails') throw new Error('main broke')
    },
  }),
  'main-fails': () => ({
    ...base,
    main: () => {
      throw new Error('main broke')
    },
  }),
  'start-fails': () => ({
    ...base,
    startup({ manager }) {
      resource(manager, 'db')
      manager.registerResource({
        name: 'api',
        dependsOn: ['db'],
        start: () => {
          throw new Error('port taken')
        },
      })
    },
  }),
  'slow-startup': () => ({
    ...base,
    async startup({ manager, token }) {
      say('starting')
      await delay(10_000, { signal: token }).catch(() => {})
      resource(manager, 'db')
      throw token.error
    },
  }),
  'slow-stop': () => ({
    ...base,
    secondSignal: arg === 'ignore' ? 'ignore' : 'force',
    signalDebounce: 150,
    startup({ manager }) {
      resource(manager, 'db', () => delay(arg === 'ignore' ? 400 : 20_000))
      manager.addStartupHook(() => say('ready'))
      manager.addShutdownHook(() => say('stopping'))
    },
  }),
  hung: () => ({
    ...base,
    shutdownTimeout: 400,
    startup({ manager }) {
      resource(manager, 'db')
      manager.registerResource({
        name: 'stuck',
        dependsOn: ['db'],
        start: () => {},
        stop: () => new Promise(() => {}),
        stopTimeout: 100,
      })
      manager.addStartupHook(() => say('ready'))
    },
  }),
  overrun: () => ({
    ...base,
    shutdownTimeout: 200,
    startup({ manager }) {
      resource(manager, 'db')
      for (const name of ['a', 'b'])
        manager.addShutdownHook(() => new Promise(() => {}), { name, timeout: 5_000 })
      manager.addStartupHook(() => say('ready'))
    },
  }),
  leak: () => {
    setInterval(() => {}, 1_000)
    return { ...base, exitGrace: 100 }
  },
  'leak-forever': () => {
    setInterval(() => {}, 1_000)
    return { ...base, exitGrace: Infinity, signalDebounce: 50 }
  },
  throws: () => {
    setTimeout(() => {
      throw new Error('boom')
    }, 50)
    return base
  },
  rejects: () => {
    setTimeout(() => void Promise.reject(new Error('boom')), 50)
    return { ...base, ...(arg ? { unhandledRejection: arg as 'crash' } : {}) }
  },
  'own-handler': () => {
    process.on('unhandledRejection', (error) => say(`own: ${error}`))
    setTimeout(() => void Promise.reject(new Error('boom')), 50)
    setTimeout(() => process.kill(process.pid, 'SIGTERM'), 150)
    return { ...base, unhandledRejection: 'ignore' }
  },
  'rejects-while-stopping': () => ({
    ...base,
    startup({ manager }) {
      resource(manager, 'db', async () => {
        void Promise.reject(new Error('late'))
        void Promise.reject(manager.token.error)
        await delay(50)
      })
      manager.addStartupHook(() => say('ready'))
    },
  }),
  // What fails when the clean-up is over, or when all is.
  'fails-last': () => {
    const fail = {
      rejects: () => void Promise.reject(new Error('last')),
      'rejects-in-grace': () => void delay(30).then(() => Promise.reject(new Error('last'))),
      'throws-in-grace': () => {
        setTimeout(() => {
          throw new Error('last')
        }, 30)
      },
    }[arg]
    return { ...base, main: () => {}, cleanup: () => fail?.() }
  },
  'throws-after': () => ({ ...base, main: () => {} }),
  'big-write': () => ({
    startup: () => {},
    main: () => {
      process.stdout.write('x'.repeat(1 << 20))
      process.stdout.write('END')
    },
  }),
  'big-write-leak': () => {
    setInterval(() => {}, 1_000)
    return {
      exitGrace: 0,
      startup: () => say('up'),
      cleanup: () => void process.stdout.write(`${'x'.repeat(1 << 20)}END`),
    }
  },
  http: () => ({
    startup({ manager }) {
      resource(manager, 'db')
      const server = createServer(async (request, response) => {
        say(`request ${request.url}`)
        if (request.url === '/slow') await delay(300)
        response.end('ok')
      })
      manager.registerResource({
        name: 'http',
        dependsOn: ['db'],
        start: () =>
          new Promise<void>((resolve) => {
            server.listen(0, '127.0.0.1', resolve)
          }),
        drain: (_, { token }) => closeServer(server, { signal: token }),
      })
      manager.addStartupHook(() => say(`port ${(server.address() as AddressInfo).port} `))
    },
  }),
  // One of several behind a load balancer that asks for /ready.
  instance: () => {
    const manager = new AsyncManager({ name: 'instance', unreadyDelay: 150 })
    const health = manager.healthHandler()
    const server = createServer(async ({ url = '' }, response) => {
      if (url === '/ready') {
        const { status } = await health(new Request('http://localhost/ready'))
        response.writeHead(status).end()
      } else {
        await delay(Math.random() * 40)
        response.end(`${process.pid}`)
      }
    })
    return {
      manager,
      startup() {
        manager.registerResource({ name: 'db', start: () => {}, stop: () => delay(5) })
        manager.registerResource({
          name: 'http',
          dependsOn: ['db'],
          start: () =>
            new Promise<void>((resolve) => {
              server.listen(0, '127.0.0.1', resolve)
            }),
          drain: (_, { token }) => closeServer(server, { signal: token }),
        })
        manager.addStartupHook(() => say(`port ${(server.address() as AddressInfo).port} `))
      },
    }
  },
  channel: () => {
    for (const name of ['manager', 'resource', 'step']) {
      subscribe(`uno-async:lifecycle.${name}`, (message) => {
        const { type, state } = message as { type: string; state: string }
        say(`${type} ${state}`)
      })
    }
    return { ...base, main: () => {} }
  },
  // Two reloads before the first run has stopped, and a signal before the last has started.
  reloaded: () => {
    const run = (name: string) =>
      void runApplication({
        exitGrace: 0,
        startup({ manager }) {
          resource(manager, name, () => delay(200))
          manager.addStartupHook(() => say(`up ${name}`))
        },
        cleanup: async (_, { reason }) => {
          await delay(20)
          say(`cleanup ${name} ${reason.kind}`)
          if (name === 'one') void Promise.reject(new Error('of one'))
        },
      })
    run('one')
    setTimeout(() => run('two'), 50)
    setTimeout(() => run('three'), 100)
    if (arg) setTimeout(() => process.kill(process.pid, 'SIGTERM'), 150)
    return undefined
  },
  replaced: () => {
    void runApplication({ ...base, exitGrace: 0 }).then(({ reason, code }) =>
      say(`first ${reason.kind} ${code}`),
    )
    setTimeout(async () => {
      await runApplication({ ...base, main: () => delay(100).then(() => say('second')) })
      say('end')
    }, 50)
    return undefined
  },
}

const options = scenarios[scenario]?.()
if (options) {
  const report = await runApplication(options)
  say(
    `report ${JSON.stringify({ code: report.code, kind: report.reason.kind, held: report.activeResources })}`,
  )
  if (scenario === 'throws-after') throw new Error('last')
}
