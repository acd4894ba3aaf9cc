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
export interface Command<I, R> {
  readonly name: string
  /** Milliseconds for all attempts, default 3000. */
  readonly timeout?: number
  handle(input: I, work: Work): Promise<R>
}

export interface Work {
  readonly db: Db
  /** Told to whoever listens once this is committed, and only then. */
  emit(type: string, body: object): void
  /** What was read under this tag is out of date once this is committed. */
  touch(tag: string): void
}

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
  async execute<I, R>(
    command: Command<I, R>,
    input: I,
    { key, signal }: { key: string; signal?: Cancellation },
  ): Promise<R> {
    const { name, timeout: limit = 3_000 } = command
    const result = await timeout(
      limit,
      `${name} took too long`,
      () => this.#attempt(command as Command<unknown, unknown>, input, key),
      { signal, mode: 'cooperative' },
    )
    return result as R
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
    withToken(async (signal, command: Command<unknown, unknown>, input: unknown, key: string) => {
      const { sessions, outbox, onCommit } = this.#options
      const tags: string[] = []
      const result = await withContext(
        transaction(sessions, { label: command.name, isolation: 'repeatable read' }),
        async (db, token) => {
          const known = await recall(db, command.name, input, key)
          if (known) return known.result
          const events: { type: string; body: object }[] = []
          const result = await command.handle(input, {
            db,
            emit: (type, body) => void events.push({ type, body }),
            touch: (tag) => void tags.push(tag),
          })
          for (const { type, body } of events) await outbox.append(db, type, body)
          await db`update commands set result = ${db.json(result)} where key = ${key}`
          return lastChance(token, result)
        },
        { signal, exitTimeout: 5_000 },
      )
      onCommit(tags)
      if (tags.length) outbox.wake()
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

/** After this it is committed, whatever happens. */
function lastChance<R>(token: CancellationToken, result: R): R {
  token.throwIfCancelled()
  return result
}
