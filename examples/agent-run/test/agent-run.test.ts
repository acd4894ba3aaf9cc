import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { CancellationTokenSource } from '@uno-async/core'
import { AsyncEvent } from '@uno-async/sync'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nameOf, type Report, runAgent, type Tool, type Turn } from '../src/agent.js'

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-run-'))
})
afterEach(() => rm(folder, { recursive: true }))

const calls = (...calls: string[]) => ({ calls })

/** Runs a script with the command, which is in a process group of its own as under a shell. */
const start = async (turns: object[], ...args: string[]) => {
  const script = join(folder, 'script.json')
  await writeFile(script, JSON.stringify(turns))
  const child = spawn(process.execPath, [cli, '--json', '--folder', folder, ...args, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  return { child, ended: end(child) }
}
const end = async (child: ChildProcess) => {
  const output = text(child.stdout as NodeJS.ReadableStream)
  const [code] = await once(child, 'exit')
  return { code, report: JSON.parse((await output) || 'null') as Report }
}
const run = async (...args: Parameters<typeof start>) => (await start(...args)).ended

const statuses = ({ steps }: Report) =>
  Object.fromEntries(steps.map((step) => [nameOf(step), step.status]))

/** A command that starts another, both deaf to SIGTERM, notes who they are, and goes on for minutes. */
const stubborn = (name: string) => {
  const file = join(folder, name)
  return {
    call: `shell trap '' TERM; sleep 600 & echo $! >> ${file}; echo $$ >> ${file}; sleep 600`,
    /** Once both are there. */
    pids: () =>
      vi.waitUntil(
        () => {
          const pids = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
          return pids.length === 2 && pids
        },
        { timeout: 30_000 },
      ),
  }
}

/** Who of them is there, and no zombie. */
const alive = (pids: readonly string[]): string[] =>
  pids.filter((pid) => {
    try {
      process.kill(Number(pid), 0)
      return !execFileSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' }).startsWith('Z')
    } catch {
      return false
    }
  })
const gone = (pids: readonly string[]) =>
  expect.poll(() => alive(pids), { timeout: 5_000 }).toEqual([])

describe('the command', () => {
  it('runs the tour: keeps what answered, ends what hangs, names what ignores that', async () => {
    const child = spawn(process.execPath, [cli, '--json', '--timeout', '1000'], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    })
    const { code, report } = await end(child)
    expect(code).toBe(0)
    expect(report).toMatchObject({ end: 'finished', answer: expect.stringContaining('nobody') })
    expect(report.steps.map(({ tool, status }) => [tool, status])).toEqual([
      ['search', 'done'],
      ['http', 'done'],
      ['shell', 'done'],
      ['http', 'timed out'],
      ['approve', 'left behind'],
      ['shell', 'timed out'],
      ['shell', 'failed'],
      ['search', 'done'],
    ])
    const [, rates, , , , , failed, found] = report.steps
    expect(found?.output).toMatch(/^src\/agent\.ts:\d+: /m)
    expect(JSON.parse(rates?.output ?? '')).toEqual({ EUR: 1, USD: 1.08 })
    expect(failed?.problem).toBe('Exit code 3: no such luck')
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('leaves no process behind on %s, and reports what it has', async (signal, code) => {
    const [one, two] = [stubborn('one'), stubborn('two')]
    const { child, ended } = await start(
      [calls('http /rates'), calls(one.call, 'approve it', 'http /never', two.call)],
      ...['--timeout', '600000', '--budget', '600000', '--grace', '2000'],
    )
    const pids = [...(await one.pids()), ...(await two.pids())]
    expect(alive(pids)).toEqual(pids)
    // to all of the group, as a terminal does; twice, as people do
    process.kill(-(child.pid as number), signal)
    process.kill(-(child.pid as number), signal)
    const { report, ...rest } = await ended
    expect(rest).toEqual({ code })
    expect(report).toMatchObject({ end: 'stopped', problem: `Stopped by ${signal}` })
    expect(statuses(report)).toEqual({
      '#1 http /rates': 'done',
      [`#2 ${one.call}`]: 'cancelled',
      '#3 approve it': 'left behind',
      '#4 http /never': 'cancelled',
      [`#5 ${two.call}`]: 'cancelled',
    })
    await gone(pids)
  })

  it('stops when its budget of time is used up', async () => {
    const one = stubborn('one')
    const { code, report } = await run([calls('http /rates', one.call)], '--budget', '3000')
    expect(code).toBe(124)
    expect(report).toMatchObject({
      end: 'over budget',
      problem: '"the run" timed out after 3000 ms',
    })
    expect(statuses(report)).toMatchObject({ '#1 http /rates': 'done' })
    await gone(await one.pids())
  })

  it('kills a group at its end where that comes before a call has been given up', async () => {
    const one = stubborn('one')
    const { child, ended } = await start([calls(one.call)], '--grace', '1', '--timeout', '600000')
    const pids = await one.pids()
    child.kill('SIGINT')
    const { code, report } = await ended
    expect([code, report.steps[0]?.status]).toEqual([130, 'left behind'])
    await gone(pids)
  })

  it('ends what a command left in the background', async () => {
    const { code, report } = await run([calls('shell sleep 600 & echo $!')])
    const [step] = report.steps
    expect([code, step?.status]).toEqual([0, 'done'])
    await gone([step?.output?.trim() ?? ''])
  })

  it('refuses calls beyond their number, and goes on', async () => {
    const { code, report } = await run(
      [calls('http /rates', 'http /rates', 'http /rates'), { answer: 'enough' }],
      ...['--calls', '2'],
    )
    expect([code, report.answer]).toEqual([0, 'enough'])
    expect(report.steps.map(({ status }) => status)).toEqual(['done', 'done', 'refused'])
  })

  it('tells the model what was wrong with a call, and goes on', async () => {
    const { code, report } = await run([
      calls('fly away', 'http /nowhere', 'shell yes', 'shell kill -9 $$'),
      { answer: 'well' },
    ])
    expect([code, report.answer]).toEqual([0, 'well'])
    expect(report.steps.map(({ status, problem }) => [status, problem])).toEqual([
      ['failed', 'There is no tool "fly"'],
      ['failed', 'HTTP 404'],
      ['failed', 'More than 1000000 characters of output'],
      ['failed', 'SIGKILL: '],
    ])
  })

  it('goes on when nobody reads what it prints', async () => {
    const script = join(folder, 'script.json')
    await writeFile(script, JSON.stringify([calls(`shell echo > ${join(folder, 'made')}`)]))
    const child = spawn(process.execPath, [cli, script])
    child.stdout.destroy()
    child.stderr.destroy()
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(existsSync(join(folder, 'made'))).toBe(true)
  })

  it('says of no output that it has no lines', async () => {
    const script = join(folder, 'script.json')
    await writeFile(script, JSON.stringify([calls('shell true')]))
    const child = spawn(process.execPath, [cli, script])
    expect(await text(child.stderr)).toMatch(/#1 shell true: 0 lines\n$/)
  })

  it('prints lines for people', async () => {
    const script = join(folder, 'script.json')
    await writeFile(script, JSON.stringify([calls('approve it'), { answer: 'Fine.' }]))
    const args = ['--timeout', '50', '--grace', '50', '--folder', folder, script]
    const child = spawn(process.execPath, [cli, ...args])
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    expect(stderr).toMatch(/^left behind \d+ ms +#1 approve it: ignores that .*\n$/)
    expect(stdout).toMatch(
      /^Fine\.\nfinished after \d+ ms, 0 of 1 calls done\nstill running: #1 approve it\n$/,
    )
  })

  it.each([
    [['--budget', 'much'], '--budget'],
    [['--nonsense'], '--nonsense'],
    [['no-such-file'], 'no-such-file'],
    [['package.json'], 'Expected a script like'],
  ])('exits with 2 on %j, and says why', async (args, word) => {
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    })
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    if (child.exitCode === null) await once(child, 'exit')
    expect([child.exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toContain(word)
  })
})

describe('a run', () => {
  const limits = { budget: 60_000, calls: 10, timeout: 10, grace: 10 }
  const model =
    (...turns: Turn[]) =>
    async () =>
      turns.shift() ?? { answer: 'done' }

  it('keeps what comes late from a call that it did not wait for', async () => {
    const event = new AsyncEvent()
    const tools = new Map<string, Tool>([
      ['late', () => event.wait().then(() => 'after all')],
      ['trigger', async () => `${event.set()}`],
    ])
    const seen: string[] = []
    const report = await runAgent(
      model({ calls: [{ tool: 'late', input: '' }] }, { calls: [{ tool: 'trigger', input: '' }] }),
      tools,
      { ...limits, onStep: ({ tool, status }) => seen.push(`${tool} ${status}`) },
    )
    expect(seen.sort()).toEqual(['late done', 'late left behind', 'trigger done'])
    expect(report.steps[0]).toMatchObject({ status: 'done', output: 'after all' })
    expect(report.steps[0]).not.toHaveProperty('problem')
  })

  it('does not wait for a model that ignores its cancellation', async () => {
    using source = new CancellationTokenSource()
    const running = runAgent(() => new Promise(() => {}), new Map(), {
      ...limits,
      signal: source.token,
    })
    source.cancel(new Error('enough'))
    expect(await running).toMatchObject({ end: 'stopped', problem: 'enough', steps: [] })
  })

  it('has failed when its model has', async () => {
    const broken = async () => {
      throw new Error('no tokens left')
    }
    expect(await runAgent(broken, new Map(), limits)).toMatchObject({
      end: 'failed',
      problem: 'no tokens left',
    })
  })
})
