import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { formatReport, runApplication } from '@uno-async/lifecycle'
import { pino } from 'pino'
import { registerOrders } from './application.js'
import { readConfig } from './config.js'
import type { Snapshot } from './snapshot.js'

const config = readConfig()

const log = pino({ name: config.INSTANCE, level: config.LOG_LEVEL })
const lastReport = `${config.DATA}/${config.INSTANCE}.json`
const report = await runApplication({
  shutdownTimeout: config.SHUTDOWN_TIMEOUT,
  startup({ manager }) {
    const { http } = registerOrders(manager, config, log, readLast())
    manager.addStartupHook(() => {
      log.info(`listening on ${http.value.url}`)
      process.send?.(http.value.url)
    })
  },
})
const lines = formatReport(report).split('\n')
mkdirSync(config.DATA, { recursive: true })
writeFileSync(lastReport, JSON.stringify({ at: Date.now(), ok: report.code === 0, lines }))

/** How the last stop went, for the dashboard. A file that was cut short must not keep the service from starting. */
function readLast(): Snapshot['lastShutdown'] {
  try {
    return JSON.parse(readFileSync(lastReport, 'utf8'))
  } catch {
    return undefined
  }
}
