import { type CancellationToken, delay, isTimeout } from '@uno-async/core'
import type { KeyedLock } from '@uno-async/sync'
import type { CommandBus } from '../cqrs/command-bus.js'
import type { Sessions } from '../database/session.js'
import { Refused } from '../errors.js'
import { cancel } from './commands.js'

/**
 * Cancels what was not paid for in a quarter of an hour, and forgets keys after a day; of all instances, one at
 * a time looks.
 */
export async function expire(
  sessions: Sessions,
  locks: KeyedLock,
  commands: CommandBus,
  token: CancellationToken,
): Promise<never> {
  const look = async (_: unknown, signal: CancellationToken): Promise<void> => {
    const unpaid = await sessions.run(
      async (session) => {
        const db = session.under(signal)
        await db`delete from commands where at < now() - interval '1 day'`
        return db<{ id: number }>`
          select id from orders where state = 'placed' and placed_at < now() - interval '15 min'
          limit 100`
      },
      { signal, label: 'expire' },
    )
    for (const { id } of unpaid) {
      await commands.execute(cancel, { id }, { key: `expire-${id}`, signal }).catch((error) => {
        // It was paid in the meantime.
        if (!(error instanceof Refused)) throw error
      })
    }
  }
  for (;;) {
    try {
      await locks.run('expire', look, { timeout: 0, signal: token })
    } catch (error) {
      // Another instance has it.
      if (!isTimeout(error)) throw error
    }
    await delay(5_000, { signal: token })
  }
}
