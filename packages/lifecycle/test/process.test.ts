// Real processes and real signals: the quick ones. The rest is in faults/process.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Launcher } from './apps/launch.js'

const launcher = new Launcher()
beforeAll(() => launcher.build())
afterAll(() => launcher.close())

describe('a process', { concurrent: true }, () => {
  it('stops in order at SIGTERM and exits with 0', async () => {
    const app = await launcher.run('clean').saw('ready')
    expect(await app.signal('SIGTERM').exit()).toBe(0)
    expect(app.lines.slice(3, -1)).toEqual([
      'drain api',
      'stop api',
      'stop db',
      'flush api',
      'cleanup signal SIGTERM',
    ])
    expect(app.err).toBe('')
  })

  it('stops when something throws, and exits with 1', async () => {
    const app = launcher.run('throws')
    expect(await app.exit()).toBe(1)
    expect(app.lines).toContain('stop db')
    expect(app.err).toContain('Error: boom')
  })

  it('exits at once at a second signal', async () => {
    const app = await launcher.run('slow-stop').saw('ready')
    await app.signal('SIGTERM').saw('stopping')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await app.signal('SIGINT').exit()).toBe(130)
    expect(app.err).toContain('abandoned')
    expect(app.err).not.toContain('still holding the event loop')
  })
})
