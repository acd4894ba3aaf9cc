import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { type CancellationToken, delay, shield } from '@uno-async/core'

const KILL_AFTER = 500 // ms between SIGTERM and SIGKILL
const MOST = 1_000_000 // characters of output

/** Process groups that may have somebody in them. */
const groups = new Set<number>()

/**
 * Runs a command line, and gives its output. It ends with the shell, and takes along what that has started,
 * in the background too: when this settles, however it does, nobody is left.
 */
export async function shell(command: string, token: CancellationToken): Promise<string> {
  token.throwIfCancelled()
  // Detached: a process group of its own, to be killed as a whole, and out of reach for the Ctrl+C of a terminal.
  const child = spawn('/bin/sh', ['-c', `exec 2>&1\n${command}`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child, 'spawn')
  const group = child.pid as number
  groups.add(group)
  try {
    const ended = once(child, 'exit').finally(() => endGroup(group))
    const [[code, signal], output] = await token.race(Promise.all([ended, read(child.stdout)]))
    if (code === 0) return output
    throw new Error(`${signal ?? `Exit code ${code}`}: ${output.trim().split('\n').at(-1)}`)
  } finally {
    await endGroup(group)
    child.stdout.destroy() // who left the group may hold the other end
  }
}

/** Asks, and after a while does not ask. That the call was cancelled does not cut it short. */
async function endGroup(group: number): Promise<void> {
  send('SIGTERM', group)
  try {
    await shield(
      async (token) => {
        while (send(0, group)) await delay(10, { signal: token })
      },
      { timeout: KILL_AFTER },
    )
  } catch {
    send('SIGKILL', group)
  }
  groups.delete(group)
}

/** For when this process ends before the calls have. */
export function killAll(): void {
  for (const group of groups) send('SIGKILL', group)
}

/** To all of a group; false if there is nobody. */
function send(signal: NodeJS.Signals | 0, group: number): boolean {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}

async function read(stream: Readable): Promise<string> {
  let output = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    output += chunk
    if (output.length > MOST) throw new Error(`More than ${MOST} characters of output`)
  }
  return output
}
