#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { CancellationTokenSource } from '@uno-async/core'
import { timeout } from '@uno-async/sync'
import ora from 'ora'
import { checkLinks, type Report } from './check.js'

const usage = `link-check [options] [file, folder or URL …]

Checks every link in a tree of Markdown or HTML, or in a site it crawls.

  --offline          files and anchors only, leave URLs alone
  --json             print the report as JSON
  --concurrency N    links looked at, at once (16)
  --rate N           requests a second to one host (10)
  --timeout MS       for one request (10000)
  --limit MS         for all of it; reports what was checked by then (none)
  --retries N        for what may pass: 429, 5xx, a broken connection (2)
  -h, --help         this text

Ctrl+C stops at once and reports what was checked so far.
Exit code: 0 all fine, 1 broken links, 2 wrong usage, 124 out of time, 130 stopped.
`

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      offline: flag,
      json: flag,
      concurrency: { ...text, default: '16' },
      rate: { ...text, default: '10' },
      timeout: { ...text, default: '10000' },
      limit: { ...text, default: 'Infinity' },
      retries: { ...text, default: '2' },
      help: { ...flag, short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }

  using source = new CancellationTokenSource({ name: 'link-check' })
  const stop = (): void => void source.cancel()
  process.on('SIGINT', stop).on('SIGTERM', stop)

  const options = {
    offline: values.offline,
    concurrency: whole('concurrency', values.concurrency, 1),
    rate: number('rate', values.rate, Number.MIN_VALUE),
    timeout: number('timeout', values.timeout, 1),
    retries: whole('retries', values.retries, 0),
  }
  const limit = number('limit', values.limit, 1)
  const starts = positionals.length ? positionals : ['.']
  const bar = showProgress(values.json)
  // Cooperative: what was checked when the time is up still counts.
  const report = await timeout(
    limit,
    (signal) => checkLinks(starts, { ...options, onProgress: bar.update, signal }),
    { mode: 'cooperative', signal: source.token },
  ).finally(bar.end)
  process.off('SIGINT', stop).off('SIGTERM', stop)

  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : lines(report))
  if (!report.complete) return source.token.cancelled ? 130 : 124
  return Number(report.broken.length > 0)
}

function number(option: string, value: string, least: number): number {
  const it = Number(value)
  if (value.trim() !== '' && it >= least) return it
  throw new TypeError(`Expected --${option} to be a number, at least ${least}, got ${value}`)
}

function whole(option: string, value: string, least: number): number {
  const it = number(option, value, least)
  if (it === Infinity || Number.isInteger(it)) return it
  throw new TypeError(`Expected --${option} to be a whole number, got ${value}`)
}

/** A bar on a terminal, nothing elsewhere: the report is lines anyway. */
function showProgress(isQuiet: boolean): {
  update: (report: Report) => void
  end: () => void
} {
  if (isQuiet || !process.stderr.isTTY) return { update() {}, end() {} }
  // Ctrl+C is ours: it must stop the check, not the process.
  const bar = ora({ text: 'Checking links', discardStdin: false }).start()
  return {
    update({ found, checked, skipped }) {
      const done = checked + skipped
      const full = Math.round((20 * done) / found)
      bar.text = `${'━'.repeat(full)}${'┈'.repeat(20 - full)} ${done} of ${found} links`
    },
    end: () => bar.stop(),
  }
}

function lines({ broken, pages, checked, skipped, complete }: Report): string {
  const list = broken
    .toSorted((a, b) => a.page.localeCompare(b.page) || a.line - b.line)
    .map(({ page, line, target, problem }) => `${page}:${line}  ${target}  ${problem}\n`)
  const left = skipped ? `, ${skipped} left alone` : ''
  const so = complete ? '' : ' so far (stopped)'
  return `${list.join('')}${pages} pages, ${checked} links checked${left}, ${broken.length} broken${so}\n`
}

// Who has read enough (`| head`) is no failure; the exit code says what was found.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
try {
  process.exitCode = await main()
} catch (error) {
  // An option that is wrong, or a start that is not there; anything else is a mistake of ours.
  const { syscall, message } = error as NodeJS.ErrnoException
  if (!syscall && !(error instanceof TypeError)) throw error
  process.stderr.write(`link-check: ${message}\n`)
  process.exitCode = 2
}
