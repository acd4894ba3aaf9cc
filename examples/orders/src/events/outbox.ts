import { withContext } from '@uno-async/context'
import type { CancellationToken } from '@uno-async/core'
import { AsyncEvent, timeout } from '@uno-async/sync'
import type { Db, Sessions } from '../database/session.js'
import { transaction } from '../database/transaction.js'
import type { Transport } from './transport.js'

/**
 * Events are written in the transaction of what they tell, so that they are true and none is missing, and are handed
 * on from there. The table knows what was done: a transport may lose what it was given, or bring it twice.
 */
export class Outbox {
  readonly #sessions: Sessions
  readonly #handlersOf: (type: string) => string[]
  readonly #redeliver: number
  readonly #news = new AsyncEvent()

  constructor(sessions: Sessions, handlersOf: (type: string) => string[], redeliver: number) {
    this.#sessions = sessions
    this.#handlersOf = handlersOf
    this.#redeliver = redeliver
  }

  async append(db: Db, type: string, body: object): Promise<void> {
    await db`
      with event as (
        insert into events (type, body) values (${type}, ${db.json(body)}) returning id
      )
      insert into deliveries (event, handler)
      select id, handler from event, jsonb_array_elements_text(${db.json(this.#handlersOf(type))}) handler`
  }

  /** Something was committed: do not wait for the next look. */
  wake(): void {
    this.#news.set()
  }

  /** Hands on what is due, until it is cancelled. Any number of instances may do so at once. */
  async pump(transport: Transport, token: CancellationToken): Promise<never> {
    for (;;) {
      this.#news.clear()
      const count = await withContext(
        transaction(this.#sessions, { label: 'pump' }),
        async (db, token) => {
          const due = await db<{ event: number; handler: string }>`
            with next as (
              select event, handler from deliveries
              where done_at is null and dead_at is null and due <= now()
              order by due limit 200 for update skip locked
            )
            update deliveries d set due = now() + ${this.#redeliver} * interval '1 ms'
            from next where d.event = next.event and d.handler = next.handler
            returning d.event, d.handler`
          if (due.length) {
            await timeout(5_000, 'Handing on took too long', () => transport.publish(due), {
              signal: token,
            })
          }
          return due.length
        },
        { signal: token },
      )
      if (!count)
        await this.#news.wait({ signal: token, timeout: 250 }).catch(unlessCancelled(token))
    }
  }

  async stats(token: CancellationToken) {
    const [row] = await this.#sessions.run(
      (session) => session.under(token)<{ pending: number; dead: number }>`
        select
          (select count(*)::int from deliveries where done_at is null and dead_at is null) pending,
          (select count(*)::int from deliveries where dead_at is not null) dead`,
      { signal: token, label: 'statistics' },
    )
    return row ?? { pending: 0, dead: 0 }
  }
}

const unlessCancelled = (token: CancellationToken) => () => token.throwIfCancelled()
