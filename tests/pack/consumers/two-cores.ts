// `core-of-others` is another version of core, the one that the other packages have
import * as mine from '@uno-async/core'
import { AsyncLock, timeout } from '@uno-async/sync'
import { runTask } from '@uno-async/tasks'
import * as theirs from 'core-of-others'

const given = <T>(_: T): void => {}

export async function mix(): Promise<void> {
  const [my, their] = [new mine.CancellationTokenSource(), new theirs.CancellationTokenSource()]
  given<mine.CancellationToken>(their.token)
  given<theirs.CancellationToken>(my.token)
  given<mine.CancellationTokenSource>(their)
  given<theirs.CancellationTokenSource>(my)
  given<mine.Cancellation>(theirs.CancellationToken.none)
  given<theirs.Cancellation>(mine.CancellationToken.none)
  given<mine.Lease>(await new AsyncLock().acquire({ signal: my.token }))
  given<theirs.WaitOptions>({ signal: my.token } satisfies mine.WaitOptions)
  given<mine.TimeoutError>(new theirs.TimeoutError())
  given<theirs.TimeoutError>(new mine.TimeoutError())
  mine.CancellationToken.any(my.token, their.token)
  theirs.CancellationToken.any(my.token, their.token)
  await mine.delay(1, { signal: their.token })
  await theirs.delay(1, { signal: my.token })
  await runTask((token) => mine.delay(1, { signal: token }), { signal: my.token })
  await timeout(5, (token) => token.race(mine.delay(1, { signal: token })), { signal: my.token })
}
