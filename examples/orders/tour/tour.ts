// Ten seconds in the life of the service, from its start to a stop under load; then the books are checked.
import { CancellationToken, delay } from '@uno-async/core'
import { AsyncManager, formatReport, runApplication } from '@uno-async/lifecycle'
import ora from 'ora'
import { pino } from 'pino'
import { registerOrders } from '../src/application.js'
import { readConfig } from '../src/config.js'
import { startPostgres } from '../src/database/postgres.js'
import { Session } from '../src/database/session.js'
import type { Mood } from '../src/upstream.js'
import { audit } from './audit.js'
import { Traffic } from './traffic.js'

// Durations in milliseconds.
const acts: { text: string; duration: number; mood: Mood; burst?: number }[] = [
  { text: 'customers come, some leave half way', duration: 3_000, mood: 'well' },
  { text: 'the upstream is slow', duration: 2_000, mood: 'slow' },
  { text: 'the upstream fails', duration: 2_000, mood: 'failing' },
  { text: '500 ask for a report at once', duration: 2_000, mood: 'well', burst: 500 },
  { text: 'all is well again', duration: 1_000, mood: 'well' },
]

const config = readConfig()
const progress = ora({ text: 'PostgreSQL starts', discardStdin: false }).start()
// The database outlives the service, so that one can see what it left.
const postgres = config.DATABASE_URL
  ? { url: config.DATABASE_URL, close: async () => {} }
  : await startPostgres(`${config.DATA}/postgres`)

const manager = new AsyncManager({ name: 'orders' })
const settings = { ...config, DATABASE_URL: postgres.url, PORT: 0 }
const { http, upstream, metrics } = registerOrders(manager, settings, pino({ level: 'silent' }))
const traffic = new Traffic(() => http.value.url)

const report = await runApplication({
  manager,
  shutdownTimeout: config.SHUTDOWN_TIMEOUT,
  exit: 'never',
  startup: () => void (progress.text = 'the service starts'),
  async main(_, { token }) {
    progress.succeed(`it serves ${http.value.url}`)
    traffic.open(16)
    for (const { text, duration, mood, burst } of acts) {
      progress.start(text)
      upstream.value.mood = mood
      const before = traffic.count
      const until = performance.now() + duration
      if (burst) await traffic.burst(burst, token)
      while (performance.now() < until) {
        progress.text = `${text}: ${traffic.count - before} requests`
        await delay(100, { signal: token })
      }
      progress.succeed(`${text}: ${traffic.count - before} requests`)
    }
    progress.start('SIGTERM, while customers still come')
    process.kill(process.pid, 'SIGTERM')
    await token.race(new Promise(() => {}))
  },
})
await traffic[Symbol.asyncDispose]()
progress.succeed()

const session = await Session.open(postgres.url, CancellationToken.none)
const { lost, orders, events } = await audit(session.under(CancellationToken.none), traffic.told)
await session.close()
await postgres.close()

const { requests } = metrics
const { p50, p99 } = metrics.latency()
const summary: [string, number, string][] = [
  [
    'requests',
    requests.total,
    `half within ${p50.toFixed(1)} ms, 99 % within ${p99.toFixed(0)} ms`,
  ],
  ['cancelled', requests.cancelled, 'the client left: rolled back, and asked again'],
  ['retried', requests.retried, 'transactions that met another one'],
  ['refused', requests.refused, '429 or 503, with Retry-After'],
  ['failed', requests.failed, 'other 5xx, while the upstream failed'],
  ['orders', traffic.told.size, `accepted in this tour, ${orders} in all`],
  ['events', events.delivered, `delivered, ${events.pending} to come after the restart`],
  ['dead letters', events.dead, 'mails to nobody, given up after 5 attempts'],
  ['lost', lost.length, lost.slice(0, 10).join('\n')],
]
console.log(`\n${formatReport({ ...report, activeResources: [] })}\n`)
for (const [name, count, text] of summary) {
  console.log(`  ${name.padEnd(13)}${String(count).padStart(8)}  ${text}`)
}
process.exitCode = report.code || Number(lost.length > 0 || traffic.told.size === 0)
