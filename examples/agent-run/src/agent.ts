import {
  type Cancellation,
  type CancellationToken,
  CancellationTokenSource,
  isTimeout,
} from '@uno-async/core'
import { TaskGroup } from '@uno-async/tasks'

/** Answers a call; the token says when to stop. */
export type Tool = (input: string, token: CancellationToken) => Promise<string>

export interface Call {
  readonly tool: string
  readonly input: string
}

/** What the model wants called, in parallel; or its answer. */
export interface Turn {
  readonly calls?: readonly Call[]
  readonly answer?: string
}

/** Given how the calls of the turn before ended, says what is next. */
export type Model = (results: readonly Step[], token: CancellationToken) => Promise<Turn>

export type Status =
  | 'running'
  | 'done'
  | 'failed'
  | 'timed out'
  | 'cancelled' // with the run
  | 'left behind' // told to stop, and still running
  | 'refused' // beyond the budget of calls

/** A call and what became of it. */
export interface Step extends Call {
  readonly id: number
  readonly turn: number
  readonly began: number
  status: Status
  /** Milliseconds, once it has ended. */
  duration?: number
  output?: string
  problem?: string
}

export interface RunOptions {
  readonly signal?: Cancellation
  /** Milliseconds for the whole run. */
  readonly budget: number
  /** Calls in the whole run. */
  readonly calls: number
  /** Milliseconds for one call. */
  readonly timeout: number
  /** Milliseconds that a call may take to end after it was told to. */
  readonly grace: number
  readonly onStep?: (step: Step) => void
}

/** How a run ended. All that came out of it is in there, whatever the end. */
export interface Report {
  readonly end: 'finished' | 'failed' | 'over budget' | 'stopped'
  readonly answer?: string
  readonly problem?: string
  readonly duration: number
  readonly steps: readonly Step[]
}

/** Lets the model call tools until it has an answer. That the run failed or was cancelled is in the report. */
export async function runAgent(
  model: Model,
  tools: ReadonlyMap<string, Tool>,
  options: RunOptions,
): Promise<Report> {
  const { budget, signal } = options
  const began = performance.now()
  using source = new CancellationTokenSource({ signal, timeout: budget, name: 'the run' })
  const run = source.token
  const steps: Step[] = []
  const report = (end: Report['end'], more?: Partial<Report>): Report => ({
    end,
    ...more,
    duration: performance.now() - began,
    steps: structuredClone(steps), // a call that was left behind may still write into its own
  })

  try {
    let results: Step[] = []
    for (let turn = 1; ; turn++) {
      const { calls = [], answer = '' } = await run.race(model(results, run))
      if (!calls.length) return report('finished', { answer })
      results = calls.map((call, i) => {
        const id = steps.length + i + 1
        return { ...call, id, turn, began: performance.now(), status: 'running' }
      })
      steps.push(...results)
      await runTurn(results, tools, run, options)
    }
  } catch (error) {
    if (!run.owns(error)) return report('failed', { problem: messageOf(error) })
    return report(isTimeout(error) ? 'over budget' : 'stopped', { problem: messageOf(error) })
  }
}

/** Ends when each call has ended, or has been left behind after its grace. */
async function runTurn(
  steps: readonly Step[],
  tools: ReadonlyMap<string, Tool>,
  run: CancellationToken,
  { calls, timeout, grace, onStep }: RunOptions,
): Promise<void> {
  const end = (step: Step, status: Status, more?: Partial<Step>): void => {
    delete step.problem // of one that was left behind, and ends after all
    Object.assign(step, more, { status, duration: performance.now() - step.began })
    onStep?.(step)
  }
  const perform = async (step: Step, token: CancellationToken): Promise<void> => {
    try {
      const tool = tools.get(step.tool)
      if (!tool) throw new Error(`There is no tool "${step.tool}"`)
      end(step, 'done', { output: await tool(step.input, token) })
    } catch (error) {
      // However a call ends, the model is told, and its siblings go on: it is no failure of the run.
      const status = !token.cancelled ? 'failed' : run.cancelled ? 'cancelled' : 'timed out'
      end(step, status, { problem: messageOf(token.cancelled ? token.error : error) })
    }
  }
  await TaskGroup.run(
    (group) => {
      for (const step of steps) {
        if (step.id > calls) end(step, 'refused', { problem: `No more than ${calls} calls` })
        else void group.createTask((token) => perform(step, token), { name: nameOf(step), timeout })
      }
    },
    {
      name: `turn ${steps[0]?.turn}`,
      signal: run,
      cancelOnError: false,
      onTaskError() {}, // only the timeout of one that was left behind: its step says so
      grace,
      onStraggler(late) {
        for (const { name } of late) {
          const step = steps.find((step) => nameOf(step) === name) as Step
          end(step, 'left behind', { problem: 'ignores that it was told to stop' })
        }
        return 'abandon'
      },
    },
  )
}

export function nameOf({ id, tool, input }: Step): string {
  return `#${id} ${tool} ${input}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
