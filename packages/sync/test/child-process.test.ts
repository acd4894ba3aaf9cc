import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

const run = (code: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: new URL('..', import.meta.url),
    encoding: 'utf8',
  }).trim()

describe('a process stays until the timeout that somebody awaits', () => {
  it.each([
    ['timeout', 'timeout(20, never)'],
    ['timeoutScope', "timeoutScope(20, 'late').race(never())"],
    ['runTimeout', 'new Limiter(1).run((token) => token.race(never()), { runTimeout: 20 })'],
    ['whenIdle', 'busy.whenIdle({ timeout: 20 })'],
  ])('of %s', (_, call) => {
    const code = `
      import { AsyncSemaphore, Limiter, timeout, timeoutScope } from '@uno-async/sync'
      const never = () => new Promise(() => {})
      const busy = new AsyncSemaphore(1)
      busy.tryAcquire()
      ${call}.catch((error) => console.log(error.name))`
    expect(run(code)).toBe('TimeoutError')
  })
})
