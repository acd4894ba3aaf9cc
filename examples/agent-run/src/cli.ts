#!/usr/bin/env node
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { CancellationTokenSource } from '@uno-async/core'
import { nameOf, type Report, runAgent, type Step } from './agent.js'
import { killAll } from './process.js'
import { example, readScript } from './script.js'
import { serve } from './server.js'
import { makeTools } from './tools.js'

const usage = `agent-run [options] [SCRIPT]

Runs an agent whose model is a script: ${example}
Tools: search TEXT · http PATH · shell COMMAND · approve NAME

  --folder DIR     where it works (.)
  --budget MS      for the whole run (30000)
  --calls N        in the whole run (50)
  --timeout MS     for one call (3000)
  --grace MS       for a call to end after it was told to (1000)
  --json           print the report as JSON
  -h, --help       this text

Ctrl+C stops it; the report has what came out until then.
Exit code: 0 finished, 1 the model failed, 2 wrong usage, 124 over budget, 128+n stopped by signal n.
`

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const codes = { finished: 0, failed: 1, 'over budget': 124, stopped: 128 }
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      folder: { ...text, default: '.' },
      budget: { ...text, default: '30000' },
      calls: { ...text, default: '50' },
      timeout: { ...text, default: '3000' },
      grace: { ...text, default: '1000' },
      json: flag,
      help: { ...flag, short: 'h' },
    },
  })
  if (values.help) return print(usage).then(() => 0)
  const number = (name: 'budget' | 'calls' | 'timeout' | 'grace'): number => {
    if (/^\d+$/.test(values[name])) return Number(values[name])
    throw new TypeError(`Expected --${name} to be a number, got ${values[name]}`)
  }
  const options = {
    budget: number('budget'),
    calls: number('calls'),
    timeout: number('timeout'),
    grace: number('grace'),
  }
  const model = await readScript(positionals[0] ?? new URL('../script.json', import.meta.url))

  process.on('exit', killAll)
  using source = new CancellationTokenSource({ name: 'agent-run' })
  let stoppedBy = 0
  for (const signal of signals) {
    process.on(signal, () => {
      stoppedBy ||= constants.signals[signal]
      source.cancel(new Error(`Stopped by ${signal}`))
    })
  }
  using server = await serve()
  const report = await runAgent(model, makeTools(values.folder, server.url), {
    ...options,
    signal: source.token,
    onStep: (step) => void process.stderr.write(values.json ? '' : line(step)),
  })
  await print(values.json ? `${JSON.stringify(report, null, 2)}\n` : summary(report))
  return codes[report.end] + (report.end === 'stopped' ? stoppedBy : 0)
}

/** Resolves once it is written. */
function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()))
}

function line(step: Step): string {
  const { status, duration = 0, problem, output = '' } = step
  const what = problem ?? `${output.trim() ? output.trim().split('\n').length : 0} lines`
  return `${status.padEnd(12)}${`${Math.round(duration)} ms`.padEnd(9)}${nameOf(step)}: ${what}\n`
}

function summary({ end, answer, problem, duration, steps }: Report): string {
  const done = steps.filter(({ status }) => status === 'done')
  const late = steps.filter(({ status }) => status === 'left behind')
  return [
    answer ?? problem,
    `${end} after ${Math.round(duration)} ms, ${done.length} of ${steps.length} calls done`,
    ...late.map((step) => `still running: ${nameOf(step)}`),
    '',
  ].join('\n')
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Who has read enough (`| head`) is no failure.
    if (error.code !== 'EPIPE') throw error
  })
}
try {
  // Not `exitCode`: who was left behind would keep us alive.
  process.exit(await main())
} catch (error) {
  // An option or a script that is wrong; anything else is a mistake of ours.
  const { syscall, message } = error as NodeJS.ErrnoException
  if (!syscall && !(error instanceof TypeError)) throw error
  process.stderr.write(`agent-run: ${message}\n`)
  process.exitCode = 2
}
