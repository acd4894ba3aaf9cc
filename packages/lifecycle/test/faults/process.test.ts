// Real processes and real signals: all of it. A few are in ../process.test.ts as well.
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Launcher } from '../apps/launch.js'

const launcher = new Launcher()
beforeAll(() => launcher.build())
afterAll(() => launcher.close())

const all = ['start db', 'start api', 'ready', 'drain api', 'stop api', 'stop db', 'flush api']
const report = (code: number, kind: string) => `report ${JSON.stringify({ code, kind })}`

describe('signals', { concurrent: true }, () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'stops in order at %s and exits with 0',
    async (signal) => {
      const app = await launcher.run('clean').saw('ready')
      expect(await app.signal(signal).exit()).toBe(0)
      expect(app.lines).toEqual([...all, `cleanup signal ${signal}`, report(0, 'signal')])
      expect(app.err).toBe('')
    },
  )

  it('exits with 128+n if asked to', async () => {
    const app = await launcher.run('code-signal').saw('ready')
    expect(await app.signal('SIGTERM').exit()).toBe(143)
    expect(app.err).toBe('')
  })

  it('exits with what a function says', async () => {
    const app = await launcher.run('code-function').saw('ready')
    expect(await app.signal('SIGTERM').exit()).toBe(42)
  })

  it('takes two signals within the debounce for one', async () => {
    const app = await launcher.run('slow-stop', 'ignore').saw('ready')
    app.signal('SIGINT').signal('SIGINT').signal('SIGTERM')
    expect(await app.exit()).toBe(0)
    expect(app.lines).toContain('stop db')
  })

  it('takes Ctrl+C for one, that reaches the whole process group and is forwarded as well', async () => {
    const app = await launcher.run('slow-stop', 'ignore').saw('ready')
    process.kill(-(app.child.pid as number), 'SIGINT')
    app.signal('SIGINT')
    expect(await app.exit()).toBe(0)
    expect(app.lines).toContain('stop db')
  })

  it('exits at once at a second signal, and says what was not stopped', async () => {
    const app = await launcher.run('slow-stop').saw('ready')
    await app.signal('SIGTERM').saw('stopping')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await app.signal('SIGINT').exit()).toBe(130)
    expect(app.err).toMatch(/✗ stop {4}db .* abandoned: still running/)
  })

  it('ignores a second signal if told to', async () => {
    const app = await launcher.run('slow-stop', 'ignore').saw('ready')
    await app.signal('SIGTERM').saw('stopping')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await app.signal('SIGTERM').exit()).toBe(0)
  })

  it('lets a startup end that is told to stop, and stops what it registered', async () => {
    const app = await launcher.run('slow-startup').saw('starting')
    expect(await app.signal('SIGTERM').exit()).toBe(0)
    expect(app.lines).toEqual(['starting', 'cleanup signal SIGTERM', report(0, 'signal')])
  })
})

describe('ends', { concurrent: true }, () => {
  it('stops when main ends', async () => {
    const app = launcher.run('main')
    expect(await app.exit()).toBe(0)
    expect(app.lines).toEqual([
      ...all.slice(0, 3),
      'main',
      ...all.slice(3),
      'cleanup main-ended',
      report(0, 'main-ended'),
    ])
  })

  it.each([
    ['it ended well', '', 3],
    ['it ended well, with a leak', 'leak', 3],
    ['it failed: then it is 1', 'fails', 1],
  ])('keeps the exit code that the application has set, if %s', async (_, how, expected) => {
    expect(await launcher.run('own-code', how).exit()).toBe(expected)
  })

  it('stops when main fails, with 1, and prints why', async () => {
    const app = launcher.run('main-fails')
    expect(await app.exit()).toBe(1)
    expect(app.lines).toContain('stop db')
    expect(app.err).toContain('Error: main broke')
  })

  it('undoes a start that failed, cleans up, and exits with 1', async () => {
    const app = launcher.run('start-fails')
    expect(await app.exit()).toBe(1)
    expect(app.lines).toEqual([
      'start db',
      'stop db',
      'cleanup start-failed',
      report(1, 'start-failed'),
    ])
    expect(app.err).toContain('Error: port taken')
    expect(app.err).toMatch(/- stop {4}api +0 ms {2}skipped/)
  })

  it('leaves a hung resource behind after its own budget, and names it', async () => {
    const app = await launcher.run('hung').saw('ready')
    expect(await app.signal('SIGTERM').exit()).toBe(1)
    expect(app.lines).toContain('stop db')
    expect(app.err).toMatch(
      /✗ stop {4}stuck +\d+ ms {2}timeout: "stop of stuck" timed out after 100 ms/,
    )
  })

  it('calls the rest when the total is spent, and exits with 1', async () => {
    const app = await launcher.run('overrun').saw('ready')
    expect(await app.signal('SIGTERM').exit()).toBe(1)
    expect(app.lines).toContain('stop db')
    expect(app.err).toContain('"shutdown of app" timed out after 200 ms')
  })

  it('exits within exitGrace when an interval leaked, and names it', async () => {
    const app = await launcher.run('leak').saw('ready')
    expect(await app.signal('SIGTERM').exit()).toBe(0)
    expect(app.err).toContain('Exiting after 100 ms: Timeout still held the event loop')
  })

  it('can still be forced while it waits for the event loop', async () => {
    const app = await launcher.run('leak-forever').saw('ready')
    await app.signal('SIGTERM').saw('report')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await app.signal('SIGINT').exit()).toBe(130)
  })

  it.each(['big-write', 'big-write-leak'])(
    'loses nothing of a large write before the exit: %s',
    async (scenario) => {
      const app = launcher.run(scenario)
      if (scenario === 'big-write-leak') (await app.saw('up\n')).signal('SIGTERM')
      expect(await app.exit()).toBe(0)
      expect(app.out.replace(/^up\n|report.*\n/g, '')).toHaveLength((1 << 20) + 3)
    },
  )

  it('makes way for a newer run, as hot reloading needs it, without exiting', async () => {
    const app = launcher.run('replaced')
    expect(await app.exit()).toBe(0)
    expect(app.lines.filter((line) => /^(first|second|end)/.test(line))).toEqual([
      'first replaced 0',
      'second',
      'end',
    ])
  })

  const replaced = [
    'start one',
    'up one',
    'stop one',
    'cleanup one replaced',
    'cleanup two replaced',
  ]

  it('starts the newest of several runs when the one before has ended, whatever fails in that', async () => {
    const app = await launcher.run('reloaded').saw('up three')
    expect(await app.signal('SIGTERM').exit()).toBe(0)
    expect(app.lines).toEqual([
      ...replaced,
      'start three',
      'up three',
      'stop three',
      'cleanup three signal',
    ])
  })

  it('obeys a signal that comes before the run before has ended', async () => {
    const app = launcher.run('reloaded', 'signal')
    expect(await app.exit()).toBe(0)
    expect(app.lines).toEqual([...replaced, 'cleanup three signal'])
  })

  it('publishes on diagnostics channels that somebody subscribed to', async () => {
    const app = launcher.run('channel')
    await app.exit()
    expect(app.lines).toEqual(
      expect.arrayContaining(['manager running', 'resource started', 'step ok', 'manager stopped']),
    )
  })
})

describe('node --watch', () => {
  it('stops in order when it starts again', { timeout: 30_000 }, async () => {
    const app = await launcher.spawn(['--watch', launcher.file, 'clean']).saw('ready')
    writeFileSync(launcher.file, readFileSync(launcher.file))
    await app.saw('cleanup signal SIGTERM')
    app.out = app.out.slice(app.out.indexOf('cleanup signal'))
    await app.saw('ready')
    app.signal('SIGTERM')
    await app.exit()
  })
})

describe('crashes', { concurrent: true }, () => {
  it.each([
    ['throws', 'uncaughtException'],
    ['rejects', 'unhandledRejection'],
  ])('stops in order when something %s, with 1', async (scenario, kind) => {
    const app = launcher.run(scenario)
    expect(await app.exit()).toBe(1)
    expect(app.lines).toEqual([...all, `cleanup ${kind}`, report(1, kind)])
    expect(app.err).toContain('Error: boom')
  })

  it('exits without stopping if told to crash', async () => {
    const app = launcher.run('rejects', 'crash')
    expect(await app.exit()).toBe(1)
    expect(app.lines).not.toContain('stop db')
    expect(app.err).toContain('Error: boom')
  })

  it('leaves a handler of the application alone if told to ignore', async () => {
    const app = launcher.run('own-handler')
    expect(await app.exit()).toBe(0)
    expect(app.lines).toContain('own: Error: boom')
  })

  it('goes on when something is rejected while it stops, exits with 1, and knows its own cancellations', async () => {
    const app = await launcher.run('rejects-while-stopping').saw('ready')
    expect(await app.signal('SIGTERM').exit()).toBe(1)
    expect(app.lines).toContain('stop db')
    expect(app.err).toContain('Error: late')
    expect(app.err).not.toContain('shutting down')
  })
})

describe('what fails last', { concurrent: true }, () => {
  it('is in the report when it is rejected as the clean-up ends', async () => {
    const app = launcher.run('fails-last', 'rejects')
    expect(await app.exit()).toBe(1)
    expect(app.lines).toContain(report(1, 'main-ended'))
    expect(app.err).toContain('Stopped in')
    expect(app.err).toContain('Error: last')
  })

  it('is not that nobody reads what it prints', async () => {
    const app = launcher.run('main-fails')
    app.child.stderr?.destroy()
    expect(await app.exit()).toBe(1)
    expect(app.lines.at(-1)).toBe(report(1, 'main-failed'))
  })

  it.each([
    ['fails-last', 'rejects-in-grace'],
    ['fails-last', 'throws-in-grace'],
    ['throws-after', ''],
  ])('is printed and ends with 1 after the report: %s %s', async (scenario, how) => {
    const app = launcher.run(scenario, how)
    expect(await app.exit()).toBe(1)
    expect(app.out).toContain('report {"code":0,"kind":"main-ended"')
    expect(app.err).toContain('After the stop:')
    expect(app.err).toContain('Error: last')
  })
})

describe('an HTTP server', () => {
  it('closes idle keep-alive connections at once and waits for a slow request', async () => {
    const { Agent, get } = await import('node:http')
    const app = await launcher.run('http').saw('port ')
    const port = Number(/port (\d+)/.exec(app.out)?.[1])
    const agent = new Agent({ keepAlive: true })
    const ask = (path: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        get({ port, path, agent, host: '127.0.0.1' }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode))
        }).on('error', reject)
      })
    expect(await ask('/quick')).toBe(200)
    const slow = ask('/slow')
    await app.saw('request /slow')
    app.signal('SIGTERM')
    expect(await slow).toBe(200)
    expect(await app.exit()).toBe(0)
    expect(app.lines.slice(-2)).toEqual(['stop db', report(0, 'signal')])
    agent.destroy()
  })
})
