import { EventEmitter } from 'node:events'
import { KeyedLock } from '@uno-async/sync'
import { postgresLocks } from '@uno-async/sync/remote'
import { expect, it, vi } from 'vitest'

/** Grants everything, and counts how many questions are open at once. */
class Connection extends EventEmitter {
  asked = 0
  open = 0
  most = 0

  async query(): Promise<{ rows: { token: string }[] }> {
    this.most = Math.max(this.most, ++this.open)
    const token = String(++this.asked)
    await new Promise((resolve) => setImmediate(resolve))
    this.open--
    return { rows: [{ token }] }
  }
}

it('asks a connection one thing at a time', async () => {
  const connection = new Connection()
  const lock = new KeyedLock({ backend: postgresLocks(connection) })
  const keys = ['a', 'b', 'c', 'd']
  expect(await Promise.all(keys.map((key) => lock.run(key, async () => key)))).toEqual(keys)
  await vi.waitFor(() => expect(connection.asked).toBe(8)) // given back, too
  expect(connection.most).toBe(1)
})

it('goes on after a question that failed', async () => {
  const connection = new Connection()
  const { query } = connection
  connection.query = () => {
    connection.query = query
    return Promise.reject(new Error('refused'))
  }
  const lock = new KeyedLock({ backend: postgresLocks(connection) })
  const both = await Promise.allSettled(['a', 'b'].map((key) => lock.run(key, () => key)))
  expect(both).toMatchObject([{ reason: { message: 'refused' } }, { value: 'b' }])
})
