import { withContext } from '@uno-async/context'
import { type CancellationToken, isCancelled, shield } from '@uno-async/core'
import { getTaskManager, type TaskGroup } from '@uno-async/tasks'
import type { Logger } from 'pino'
import type { Db, Sessions } from '../database/session.js'
import { transaction } from '../database/transaction.js'

interface Event<B> {
  readonly id: number
  readonly type: string
  readonly body: B
}

/** What an event brings about; either or both. */
export interface Handler<B> {
  readonly name: string
  readonly events: readonly string[]
  /** Outside the database, at least once: what it asks for must be harmless if asked again. */
  call?(event: Event<B>, token: CancellationToken): Promise<void>
  /** In the database, once: in the transaction that notes the event as done. */
  apply?(event: Event<B>, db: Db): Promise<void>
}

const MAX_ATTEMPTS = 5

/** Runs the handlers, each delivery in a task of its own: one that fails or hangs stops no other. */
export class Deliveries {
  /** By this instance. */
  count = 0
  readonly #sessions: Sessions
  readonly #log: Logger
  readonly #group: TaskGroup

  constructor(sessions: Sessions, log: Logger, signal: CancellationToken) {
    this.#sessions = sessions
    this.#log = log
    this.#group = getTaskManager().createGroup('events', {
      signal,
      cancelOnError: false,
      onTaskError: (error, { name }) => log.warn({ error: String(error) }, name),
    })
  }

  /** Tries once; how it went is in the table. */
  async deliver<B>(handler: Handler<B>, id: number): Promise<void> {
    await this.#group
      .createTask((token) => this.#try(handler, id, token), {
        name: `${handler.name} ${id}`,
        timeout: 5_000,
      })
      .outcome()
  }

  async #try<B>(handler: Handler<B>, id: number, token: CancellationToken): Promise<void> {
    const sessions = this.#sessions
    const { name } = handler
    const [event] = await sessions.run(
      // Counted first: what brings the process down must not be tried for ever.
      (session) => session.under(token)<Event<B> & { attempts: number }>`
        update deliveries d set attempts = attempts + 1 from events e
        where d.event = ${id} and d.handler = ${name} and e.id = d.event
          and done_at is null and dead_at is null
        returning e.id, type, body, attempts`,
      { signal: token, label: name },
    )
    if (!event) return
    try {
      if (event.attempts > MAX_ATTEMPTS) throw new Error('No attempt has come to its end')
      await handler.call?.(event, token)
      await withContext(
        transaction(sessions, { label: name }),
        async (db) => {
          const first = await db`
            update deliveries set done_at = now(), dead_at = null, error = null
            where event = ${id} and handler = ${name} and done_at is null`
          if (first.count) await handler.apply?.(event, db)
        },
        { signal: token },
      )
      this.count++
    } catch (error) {
      await shield((token) => this.#failed(name, event, error, token), { timeout: 2_000 })
      throw error
    }
  }

  /** Later again, and after the last attempt never more: somebody has to look at it. */
  async #failed(
    name: string,
    { id, attempts }: { id: number; attempts: number },
    error: unknown,
    token: CancellationToken,
  ): Promise<void> {
    // Told to stop, it does not count.
    const tried = isCancelled(error) ? attempts - 1 : attempts
    const isDead = tried >= MAX_ATTEMPTS
    if (isDead) this.#log.error({ error: String(error), event: id }, `${name}: given up`)
    const pause = 100 * 2 ** tried
    await this.#sessions.run(
      (session) => session.under(token)`
        update deliveries set attempts = ${tried}, error = ${String(error)},
          due = now() + ${pause} * interval '1 ms', dead_at = case when ${isDead} then now() end
        where event = ${id} and handler = ${name} and done_at is null`,
      { signal: token, label: name },
    )
  }
}
