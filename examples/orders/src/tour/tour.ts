import { CancellationToken, delay } from '@uno-async/core'
import { formatReport, runApplication } from '@uno-async/lifecycle'
import ora from 'ora'
import { pino } from 'pino'
import { registerOrders } from '../application.js'
import type { Config } from '../config.js'
import { startPostgres } from '../database/postgres.js'
import { Session } from '../database/session.js'
import type { Metrics } from '../metrics.js'
import type { Mood } from '../upstream.js'
import { type Audit, audit } from './audit.js'
import { Traffic } from './traffic.js'

// Durations in milliseconds.
const acts: { text: string; duration: number; mood: Mood; burst?: number }[] = [
  { text: 'customers come, some leave half way', duration: 3_000, mood: 'well' },
  { text: 'the upstream is slow', duration: 2_000, mood: 'slow' },
  { text: 'the upstream fails', duration: 2_000, mood: 'failing' },
  { text: '500 ask for a report at once', duration: 2_000, mood: 'well', burst: 500 },
  { text: 'all is well again', duration: 1_000, mood: 'well' },
]

/** Ten seconds in the life of the service, from its start to a stop under load; then the books are checked. */
export async function tour(config: Config): Promise<void> {
  const progress = ora({ text: 'Starting PostgreSQL', discardStdin: false }).start()
  // The database outlives the service, so that one can see what it left.
  const postgres = config.DATABASE_URL
    ? { url: config.DATABASE_URL, close: async () => {} }
    : await startPostgres(`${config.DATA}/postgres`)
  const log = pino({ level: 'silent' })

  let traffic: Traffic | undefined
  let metrics: Metrics | undefined
  const report = await runApplication({
    shutdownTimeout: config.SHUTDOWN_TIMEOUT,
    exit: 'never',
    startup({ manager }) {
      progress.text = 'Starting the service'
      const settings = { ...config, DATABASE_URL: postgres.url, PORT: 0 }
      return registerOrders(manager, settings, log)
    },
    async main({ http, upstream, ...application }, { token }) {
      const { url } = http.value
      progress.succeed(`Serving ${url}`)
      metrics = application.metrics
      const crowd = new Traffic(() => url, 16)
      traffic = crowd
      for (const { text, duration, mood, burst } of acts) {
        progress.start(text)
        const before = crowd.count
        upstream.value.mood = mood
        if (burst) await crowd.burst(burst, token)
        const until = performance.now() + duration
        while (performance.now() < until) {
          progress.text = `${text}: ${crowd.count - before} requests`
          await delay(100, { signal: token })
        }
        progress.succeed(`${text}: ${crowd.count - before} requests`)
      }
      progress.start('SIGTERM, and customers still come')
      process.kill(process.pid, 'SIGTERM')
      await token.race(new Promise(() => {}))
    },
  })
  await traffic?.[Symbol.asyncDispose]()
  progress.succeed('SIGTERM, and customers still come')

  const session = await Session.open(postgres.url, CancellationToken.none)
  const books = await audit(session.under(CancellationToken.none), traffic?.told ?? new Map())
  await session.close()
  await postgres.close()
  console.log(
    `\n${formatReport({ ...report, activeResources: [] })}\n\n${summary(books, traffic, metrics)}`,
  )
  process.exitCode = report.code || (books.lost.length ? 1 : 0)
}

function summary({ lost, orders, events }: Audit, traffic?: Traffic, metrics?: Metrics): string {
  const { total = 0, cancelled = 0, retried = 0, refused = 0, failed = 0 } = metrics?.requests ?? {}
  const { p50 = 0, p99 = 0 } = metrics?.latency() ?? {}
  const rows: [string, number, string][] = [
    [
      'requests',
      total,
      `half of them within ${p50.toFixed(1)} ms, 99 % within ${p99.toFixed(0)} ms`,
    ],
    ['cancelled', cancelled, 'the client left: rolled back, and asked again'],
    ['retried', retried, 'transactions that met another one'],
    ['refused', refused, '429 or 503 with Retry-After'],
    ['failed', failed, '5xx, while the upstream failed'],
    ['orders', traffic?.told.size ?? 0, `accepted in this tour, ${orders} in all`],
    ['events', events.delivered, `delivered, ${events.pending} to come after the restart`],
    ['dead letters', events.dead, 'mails to nobody, given up after 5 attempts'],
    ['lost', lost.length, lost.slice(0, 10).join('\n')],
  ]
  return rows
    .map(([name, count, text]) => `  ${name.padEnd(13)}${String(count).padStart(8)}  ${text}`)
    .join('\n')
}
