// For those who have `Disposable`, and a compiler that lowers `using`
import { CancellationTokenSource, type Registration } from '@uno-async/core'
import { AsyncResourcePool } from '@uno-async/pool'
import { AsyncLock, timeoutScope } from '@uno-async/sync'
import { cancelOnExit, runTask, TaskGroup } from '@uno-async/tasks'

export async function inScopes(): Promise<string> {
  using source = new CancellationTokenSource()
  using registration: Registration = source.token.onCancelled(() => {})
  using scope = timeoutScope(5_000)
  await using group = new TaskGroup({ signal: scope.token })
  await using task = cancelOnExit(runTask(() => 1))
  using lease = await new AsyncLock().acquire()
  await using pool = new AsyncResourcePool({ max: 1, create: async () => 'connection' })
  await using held = await pool.acquire()
  return [registration, group, task, lease, held.resource].join()
}
