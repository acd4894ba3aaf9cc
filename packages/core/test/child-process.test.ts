import { describe, expect, it, vi } from 'vitest'
import { child } from './helpers.js'

vi.setConfig({ testTimeout: 30_000 })

const core = `import * as core from '@uno-async/core'
const { CancellationToken, CancellationTokenSource, delay } = core
`

describe('a process', () => {
  it('is not kept alive by a deadline that is waited for', () => {
    const { status, took } = child(`${core}
      CancellationToken.timeout(60_000).onCancelled(() => {})
      new CancellationTokenSource({ timeout: 60_000 }).token.signal.aborted
      delay(60_000, { unref: true }).then(() => process.exit(1))
    `)
    expect(status).toBe(0)
    expect(took).toBeLessThan(20_000)
  })

  it('is kept alive by delay, and ended by its cancel', () => {
    const { stdout, status } = child(`${core}
      const source = new CancellationTokenSource()
      delay(60_000, { signal: source.token }).catch((error) => console.log(error.name))
      delay(20).then(() => console.log('waited')).then(() => source.cancel())
    `)
    expect([stdout, status]).toEqual(['waited\nAbortError', 0])
  })

  it('is kept alive by the wait in a queue that has a timeout', () => {
    const { stdout, status } = child(`${core}
      new core.WaitQueue().wait({ timeout: 20 }).catch((error) => console.log(error.name))
    `)
    expect([stdout, status]).toEqual(['TimeoutError', 0])
  })

  it('hears of what fails in a shield, with a timeout or without, that nobody waits for', () => {
    const { stdout } = child(`${core}
      process.on('unhandledRejection', (error) => console.log('unhandled', error))
      core.shield(() => Promise.reject(1))
      core.shield(() => Promise.reject(2), { timeout: 60_000 })
      core.shield(() => ({ then: (_, fail) => fail(3) }), { timeout: 60_000 })
      core.shield(() => Promise.reject(4), { timeout: 60_000 }).catch(() => {})
    `)
    expect(stdout.split('\n').sort()).toEqual(['unhandled 1', 'unhandled 2', 'unhandled 3'])
  })

  it('has no unhandled rejection from who lost a race', () => {
    const { stdout, stderr, status } = child(
      `${core}
      const fail = async () => { await delay(10); throw new Error('loser') }
      const source = new CancellationTokenSource()
      const swallow = () => console.log('caught')
      source.token.race(fail()).catch(swallow)
      source.token.race(delay(15)).catch(swallow)
      source.cancel()
      source.token.race(fail()).catch(swallow)
      CancellationToken.cancelled().race(Promise.reject(new Error('early'))).catch(swallow)
      const other = new CancellationTokenSource()
      other.token.race(fail()).catch(swallow)
      await delay(30)
      other.cancel()
      core.shield(() => Promise.reject(new Error('shielded')), { timeout: 5 }).catch(swallow)
      await delay(5)
      console.log('alive')
    `,
      '--unhandled-rejections=strict',
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout.split('\n')).toEqual([...Array(6).fill('caught'), 'alive'])
  })

  it('sees what a callback throws as an uncaught exception, where reportError is missing', () => {
    const { stdout, status } = child(`${core}
      delete globalThis.reportError
      process.on('uncaughtException', (error) => console.log('uncaught', error.message))
      const source = new CancellationTokenSource()
      source.token.onCancelled(() => { throw new Error('mine') })
      source.token.onCancelled(() => console.log('next'))
      console.log(source.cancel())
      await delay(1)
      console.log('alive')
    `)
    expect(stdout.split('\n')).toEqual(['next', 'true', 'uncaught mine', 'alive'])
    expect(status).toBe(0)
  })

  it('has neither AsyncContext nor AsyncLocalStorage: then it cannot be enabled', () => {
    const { stdout } = child(`${core}
      const { getBuiltinModule } = process
      process.getBuiltinModule = undefined
      console.log(core.enableAsyncContext())
      globalThis.AsyncLocalStorage = (await import('node:async_hooks')).AsyncLocalStorage
      console.log(core.enableAsyncContext())
      const { token } = new CancellationTokenSource()
      token.run(async () => { await 0; console.log(CancellationToken.current === token) })
    `)
    expect(stdout.split('\n')).toEqual(['false', 'true', 'true'])
  })

  it('has AsyncContext: then that is used', () => {
    const { stdout } = child(`${core}
      import { AsyncLocalStorage } from 'node:async_hooks'
      let made = 0
      globalThis.AsyncContext = { Variable: class {
        #als = new AsyncLocalStorage()
        constructor() { made++ }
        get() { return this.#als.getStore() }
        run(value, fn) { return this.#als.run(value, fn) }
      } }
      console.log(core.enableAsyncContext(), core.enableAsyncContext(), made)
      const { token } = new CancellationTokenSource()
      token.run(async () => { await 0; console.log(CancellationToken.current === token) })
    `)
    expect(stdout.split('\n')).toEqual(['true true 1', 'true'])
  })
})

it('node:test drives deadlines with its mock timers', () => {
  const { stdout, stderr, status } = child(
    `${core}
    import { mock } from 'node:test'
    mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const log = []
    const source = new CancellationTokenSource({ timeout: 1_000 })
    source.token.onCancelled((reason) => log.push(reason.name, source.token.cancelled))
    const child = new CancellationTokenSource({ signal: source.token, timeout: 2_000 })
    child.token.onCancelled((reason) => log.push(reason === source.token.reason))
    delay(1_000).then(() => log.push('delay'))
    delay(1_100).then(() => log.push('too late'))
    new core.WaitQueue().wait({ timeout: 1_000 }).catch((error) => log.push(error.timeout))
    mock.timers.tick(900)
    await new Promise(setImmediate)
    console.log('before:', log.join())
    mock.timers.tick(100)
    await new Promise(setImmediate)
    console.log(log.join())
    for (const ms of [0, 500]) {
      let done = false
      delay(ms).then(() => { done = true })
      mock.timers.tick(ms)
      await new Promise(setImmediate)
      console.log(ms, done)
    }
  `,
    '--no-warnings',
  )
  expect([stderr, status]).toEqual(['', 0])
  const lines = stdout.split('\n')
  expect(lines[0]).toBe('before: ')
  expect(lines[1]?.split(',').sort()).toEqual(
    ['TimeoutError', 'true', 'true', 'delay', '1000'].sort(),
  )
  expect(lines.slice(2)).toEqual(['0 true', '500 true'])
})
