import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
} from '@uno-async/core'
import type { HealthReport } from './contracts.js'
import { ask, keepAlive, limited, timed } from './internal/limited.js'
import type { Resource } from './internal/resource.js'

type Check = HealthReport['checks'][number]

/** Checks all that is started and can be checked, at once; what failed to start fails. @internal */
export async function runChecks(
  resources: Iterable<Resource>,
  options: { signal?: Cancellation | undefined; timeout?: Milliseconds | undefined },
): Promise<Check[]> {
  const { signal, timeout = 5_000 } = checkOptions(options)
  checkMilliseconds('timeout', timeout)
  const end = CancellationToken.from(signal)
  end.throwIfCancelled()
  const check = async ({ name, spec, value, state, ready }: Resource): Promise<Check> => {
    const result = timed({ name })
    const limit = new CancellationTokenSource({ timeout, signal: end, name: `check of ${name}` })
    try {
      const good = await limited(limit, (token) =>
        state === 'failed' ? ready : spec.check?.(value, token),
      )
      return result(good === false ? 'error' : 'ok')
    } catch (error) {
      end.throwIfCancelled()
      return result(limit.token.owns(error) ? 'timeout' : 'error', error)
    }
  }
  const checked = [...resources].filter(
    ({ state, spec }) => state === 'failed' || (state === 'started' && spec.check),
  )
  const done = keepAlive()
  return Promise.all(checked.map(check)).finally(done)
}

/** Answers `/live`, `/ready` and `/health`, at the end of whatever path. @internal */
export async function answer(
  request: Request,
  manager: { readonly live: boolean; readonly ready: boolean; health(): Promise<HealthReport> },
): Promise<Response> {
  const { pathname } = new URL(request.url, 'http://localhost')
  const what = pathname.slice(pathname.lastIndexOf('/') + 1)
  let good: boolean
  let body: unknown
  if (!['GET', 'HEAD'].includes(request.method)) return new Response(null, { status: 405 })
  if (what === 'health') {
    const report = await manager.health()
    good = report.status === 'ok'
    body = { ...report, checks: report.checks.map(plain) }
  } else if (what === 'live' || what === 'ready') {
    good = manager[what]
    body = { [what]: good }
  } else return new Response(null, { status: 404 })
  return new Response(request.method === 'HEAD' ? null : JSON.stringify(body), {
    status: good ? 200 : 503,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  })
}

function plain({ error, ...check }: HealthReport['checks'][number]): object {
  return error === undefined
    ? check
    : { ...check, error: ask(() => String(error), '[object Object]') }
}
