import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { type Cancellation, CancellationToken } from '@uno-async/core'
import { inProject } from '../config.js'

const hint =
  'as root, its user `postgres` has to get into this folder; DATABASE_URL takes another one'

/** A server to connect to. */
export interface Postgres {
  readonly url: string
  close(): Promise<void>
}

/**
 * Starts an embedded PostgreSQL that keeps its data in `folder`. It is in a process group of its own, where
 * Ctrl+C does not reach it: it has to outlive the requests in flight.
 */
export async function startPostgres(folder: string, signal?: Cancellation): Promise<Postgres> {
  mkdirSync(folder, { recursive: true })
  const child = fork(inProject('dist/postgres-process.js'), [folder], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const close = async (): Promise<void> => {
    if (child.connected) child.disconnect()
    await ended
  }
  try {
    const url = await CancellationToken.from(signal).race(
      Promise.race([
        once(child, 'message').then(([message]) => String(message)),
        ended.then(([code]) =>
          Promise.reject(new Error(`PostgreSQL did not start (${code}); ${hint}`)),
        ),
      ]),
    )
    return { url, close }
  } catch (error) {
    await close()
    throw error
  }
}
