import { isDeepStrictEqual } from 'node:util'
import { withContext } from '@uno-async/context'
import type { Cancellation, CancellationToken } from '@uno-async/core'
import { retry, withToken } from '@uno-async/decorators'
import { timeout } from '@uno-async/sync'
import { type Db, isConflict, isLost, type Sessions } from '../database/session.js'
import { transaction } from '../database/transaction.js'
import { Refused } from '../errors.js'
import type { Outbox } from '../events/outbox.js'

/** What changes something: one handler, one transaction. */
export interface Command<I, R, P = unknown> {
  readonly name: string
  /** Milliseconds for all of it, default 3000. */
  readonly timeout?: number
  /** Finds out what it needs before the transaction begins, which must not wait for somebody else's server. */
  prepare?(input: I, token: CancellationToken): Promise<P>
  handle(input: I, work: Work, prepared: P): Promise<R>
}

export interface Work {
  readonly db: Db
  /** Tells whoever listens, once this is committed, and only then. */
  emit(type: string, body: object): Promise<void>
  /** What was read under this tag is out of date once this is committed. */
  touch(tag: string): void
}

type Handle = (work: Work) => Promise<unknown>

export interface CommandBusOptions {
  sessions: Sessions
  outbox: Outbox
  onRetry(): void
  onCommit(tags: readonly string[]): void
}

export class CommandBus {
  readonly #options: CommandBusOptions

  constructor(options: CommandBusOptions) {
    this.#options = options
  }

  /**
   * Carries a command out once for each key, however often it is asked. Cancelled or too late, it is rolled back, unless
   * its COMMIT is already on its way.
   */
  async execute<I, R, P>(
    command: Command<I, R, P>,
    input: I,
    { key, signal }: { key: string; signal?: Cancellation },
  ): Promise<R> {
    const { name, timeout: limit = 3_000 } = command
    return timeout(
      limit,
      `${name} took too long`,
      async (token) => {
        const prepared = (await command.prepare?.(input, token)) as P
        const handle = (work: Work) => command.handle(input, work, prepared)
        return token.run(() => this.#attempt(name, input, key, handle)) as Promise<R>
      },
      { signal, mode: 'cooperative' },
    )
  }

  // What runs into another transaction, or loses its connection, is done anew; the key makes that safe.
  readonly #attempt = retry({
    name: 'command',
    maxAttempts: 10,
    baseDelay: 5,
    maxDelay: 250,
    shouldRetry: ({ error }) => isConflict(error) || isLost(error),
    onRetry: () => this.#options.onRetry(),
  })(
    withToken(async (signal, name: string, input: unknown, key: string, handle: Handle) => {
      const { sessions, outbox, onCommit } = this.#options
      const tags: string[] = []
      const result = await withContext(
        transaction(sessions, { label: name, isolation: 'repeatable read' }),
        async (db, token) => {
          const known = await recall(db, name, input, key)
          if (known) return known.result
          const result = await handle({
            db,
            emit: (type, body) => outbox.append(db, type, body),
            touch: (tag) => void tags.push(tag),
          })
          await db`update commands set result = ${db.json(result)} where key = ${key}`
          // The last chance to stop: from here on it is committed.
          token.throwIfCancelled()
          return result
        },
        { signal, exitTimeout: 5_000 },
      )
      onCommit(tags)
      outbox.wake()
      return result
    }),
  )
}

/** Takes the key; if somebody had it before, tells what came of it. */
async function recall(db: Db, name: string, input: unknown, key: string) {
  const taken = await db`
    insert into commands (key, name, input) values (${key}, ${name}, ${db.json(input)})
    on conflict do nothing`
  if (taken.count) return undefined
  const [before] = await db<{ name: string; input: unknown; result: unknown }>`
    select name, input, result from commands where key = ${key}`
  if (before?.name === name && isDeepStrictEqual(before.input, input)) return before
  throw new Refused(422, `The key ${key} was used for something else`)
}
