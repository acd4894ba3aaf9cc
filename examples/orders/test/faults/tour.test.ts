import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { inProject } from '../../src/config.js'

it('takes the tour, and loses nothing', async () => {
  const data = mkdtempSync(join(tmpdir(), 'orders-'))
  chmodSync(data, 0o755) // so that the user of PostgreSQL gets in
  const child = spawn(process.execPath, [inProject('dist/tour.js')], {
    env: { PATH: process.env['PATH'], DATA: data },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  const [code] = await once(child, 'close')
  rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  expect(said).toMatch(/Stopped in \d+ ms: signal \(SIGTERM\), code 0/)
  expect(said).not.toContain('✗')
  const count = (name: string) => Number(new RegExp(`^ +${name} +(\\d+)`, 'm').exec(said)?.[1])
  for (const name of ['requests', 'cancelled', 'refused', 'orders', 'events']) {
    expect(count(name), name).toBeGreaterThan(0)
  }
  expect(count('lost')).toBe(0)
  expect(code).toBe(0)
})
