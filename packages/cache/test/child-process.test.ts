import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'

it('keeps the process alive until it answers with what it kept', () => {
  const code = `
    import { AsyncCache } from '@uno-async/cache'
    let loads = 0
    const cache = new AsyncCache({
      load: () => (loads++ ? new Promise(() => {}) : 'kept'),
      ttl: 0,
      staleIfError: 60_000,
      softTimeout: 20,
    })
    await cache.get('key')
    console.log(await cache.get('key'))`
  const cwd = new URL('..', import.meta.url)
  const args = ['--input-type=module', '-e', code]
  expect(execFileSync(process.execPath, args, { cwd, encoding: 'utf8' })).toBe('kept\n')
})
