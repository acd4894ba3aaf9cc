import { createServer } from 'node:http'
import type { CancellationToken } from '@uno-async/core'
import {
  AsyncManager,
  asTask,
  type ManagedTask,
  type ResourceHandle,
  type ResourceSpec,
  runApplication,
  type ShutdownReport,
} from '@uno-async/lifecycle'
import { expectTypeOf, it } from 'vitest'

it('infers what a resource is', () => {
  const manager = new AsyncManager()
  const db = manager.registerResource({
    name: 'db',
    start: async () => ({ query: 1 }),
    stop: (value, { token, reason }) => {
      expectTypeOf(value).toEqualTypeOf<{ query: number }>()
      expectTypeOf(token).toEqualTypeOf<CancellationToken>()
      expectTypeOf(reason.kind).toExtend<string>()
    },
  })
  expectTypeOf(db).toEqualTypeOf<ResourceHandle<{ query: number }>>()
  const server = createServer()
  expectTypeOf(manager.registerResource(server)).toEqualTypeOf<ResourceHandle<typeof server>>()
  // @ts-expect-error not an object
  manager.registerResource(1)
  // @ts-expect-error stops something else than it starts
  manager.registerResource({ name: 'a', start: () => 1, stop: (_: string) => {} })
})

it('takes a description for one, whatever else it is', () => {
  const manager = new AsyncManager()
  class Queue {
    name = 'queue'
    start = () => 1
  }
  expectTypeOf(manager.registerResource(new Queue())).toEqualTypeOf<ResourceHandle<number>>()
  const spec = { name: 'db', start: async () => 'db', stop: () => {} }
  expectTypeOf(manager.registerResource(spec)).toEqualTypeOf<ResourceHandle<string>>()
  class Open {
    close() {}
  }
  expectTypeOf(manager.registerResource(new Open())).toEqualTypeOf<ResourceHandle<Open>>()
})

it('takes undefined for everything that may be left out', () => {
  const none = { drain: undefined, stop: undefined, flush: undefined, check: undefined }
  const times = { startTimeout: undefined, drainTimeout: undefined, stopTimeout: undefined }
  const start = () => new Map<string, number>()
  const spec: ResourceSpec<Map<string, number>> = { name: 'x', start, ...none, ...times }
  expectTypeOf(new AsyncManager().registerResource(spec)).toEqualTypeOf<
    ResourceHandle<Map<string, number>>
  >()
  void runApplication({ startup: () => 1, main: undefined, cleanup: undefined })
})

it('keeps the results of tasks', () => {
  const manager = new AsyncManager()
  expectTypeOf(manager.createTask(async () => 1)).toEqualTypeOf<ManagedTask<number>>()
  expectTypeOf(manager.track(Promise.resolve('x'))).toEqualTypeOf<Promise<string>>()
  const send = asTask((to: string) => to.length)
  expectTypeOf(send).toEqualTypeOf<(to: string) => ManagedTask<number>>()
  expectTypeOf(asTask('x')(async (n: number) => n)).toEqualTypeOf<
    (n: number) => ManagedTask<number>
  >()
  expectTypeOf(send('x')).toExtend<Promise<number>>()
})

it('decorates methods that give promises', () => {
  class Mailer {
    @asTask('send')
    async send(to: string): Promise<string> {
      return to
    }
    // @ts-expect-error gives no promise
    @asTask('now')
    now(): string {
      return ''
    }
  }
  expectTypeOf(new Mailer().send('x')).toEqualTypeOf<Promise<string>>()
})

it('hands the state of startup to main', () => {
  const report = runApplication({
    startup: async () => ({ port: 1 }),
    main: (state) => expectTypeOf(state).toEqualTypeOf<{ port: number }>(),
    cleanup: (state) => expectTypeOf(state).toEqualTypeOf<{ port: number } | undefined>(),
  })
  expectTypeOf(report).toEqualTypeOf<Promise<ShutdownReport>>()
})
