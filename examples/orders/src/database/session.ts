import {
  type CancellationToken,
  CancellationTokenSource,
  ClosedError,
  delay,
} from '@uno-async/core'
import { AsyncResourcePool } from '@uno-async/pool'
import postgres, { type PendingQuery, type Row, type RowList, type Sql } from 'postgres'

/** A connection under a token: what db`select …` does ends when that is cancelled, in the server, too. */
export interface Db {
  <T extends object = Row>(text: TemplateStringsArray, ...values: unknown[]): Promise<RowList<T[]>>
  /** Text as it is, of several statements if need be. */
  raw(text: string): Promise<RowList<Row[]>>
  json(value: unknown): unknown
  list(values: readonly (string | number)[]): unknown
}

/** Milliseconds a query may take, and then to end when it is told to. */
const LONGEST = 10_000
const PATIENCE = 1_000

/** One connection. When it is gone it is gone: it never opens another behind our back. */
export class Session {
  readonly #sql: Sql
  #isOver = false
  #onEnd: (() => void) | undefined

  private constructor(url: string) {
    this.#sql = postgres(url, {
      max: 1,
      max_lifetime: null,
      connect_timeout: 5,
      fetch_types: false,
      onnotice() {},
      onclose: () => this.#end(),
    })
  }

  static async open(url: string, token: CancellationToken): Promise<Session> {
    const session = new Session(url)
    try {
      await session.under(token)`select 1`
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }

  under(token: CancellationToken): Db {
    const sql = this.#sql
    const run = async (query: () => PendingQuery<Row[]>) => {
      // Asked now, it would open another connection.
      if (this.#isOver) throw new ClosedError('The session is over')
      return this.#obey(query, token)
    }
    const db = (text: TemplateStringsArray, ...values: unknown[]) =>
      run(() => sql(text, ...(values as never[])))
    return Object.assign(db, {
      raw: (text: string) => run(() => sql.unsafe(text)),
      json: (value: unknown) => sql.json(value as never),
      list: (values: readonly (string | number)[]) => sql(values as never),
    }) as Db
  }

  onEnd(listener: () => void): void {
    this.#onEnd = listener
  }

  async close(): Promise<void> {
    this.#end()
    await this.#sql.end({ timeout: 0 })
  }

  #end(): void {
    this.#isOver = true
    this.#onEnd?.()
  }

  async #obey(start: () => PendingQuery<Row[]>, token: CancellationToken) {
    using limit = new CancellationTokenSource({ signal: token, timeout: LONGEST, name: 'query' })
    limit.token.throwIfCancelled()
    const query = start()
    let told: Promise<unknown> | undefined
    let silence: NodeJS.Timeout | undefined
    limit.token.onCancelled(() => {
      told = cancel(query)
      // If then there is still no answer, nobody is there.
      silence = setTimeout(() => void this.close(), PATIENCE)
    })
    try {
      return await query
    } catch (error) {
      if (codeOf(error) === '57014' || this.#isOver) limit.token.throwIfCancelled()
      throw error
    } finally {
      // A cancel request that is still on its way would hit whatever comes next.
      if (told !== undefined) await Promise.race([told, delay(PATIENCE, { unref: true })])
      clearTimeout(silence)
    }
  }
}

/** `query.cancel()`, but for its promise, which that drops: it settles when the server was told. */
function cancel(query: object): Promise<unknown> {
  const { canceller } = query as { canceller: ((query: object) => Promise<void>) | null }
  return Promise.resolve(canceller?.(query)).catch(() => {})
}

export type Sessions = AsyncResourcePool<Session>

export function openSessions(url: string, max: number): Sessions {
  return new AsyncResourcePool({
    name: 'sessions',
    max,
    min: 1,
    create: ({ token }) => Session.open(url, token),
    destroy: (session) => session.close(),
    onBroken: (session, broken) => session.onEnd(broken),
    retryCreate: (_, attempt) => Math.min(500, 10 * 2 ** attempt),
    acquireTimeout: 1_000,
    maxWaiting: 200,
  })
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code
}

/** The transaction met another one; done anew it may succeed. */
export function isConflict(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error) ?? '')
}

/** The connection went, or the server: whether the last statement was carried out, nobody knows. */
export function isLost(error: unknown): boolean {
  return (
    error instanceof ClosedError ||
    /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|08|57P0)/.test(codeOf(error) ?? '')
  )
}
