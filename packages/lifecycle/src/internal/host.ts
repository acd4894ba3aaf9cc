import { delay } from '@uno-async/core'
import { noop } from './limited.js'

/** The process or the page we run in: all that runApplication knows of it. */
export interface Host {
  /** Listens, if the runtime can. Gives how to stop listening. */
  on(event: string, listener: (...args: never[]) => void): () => void
  /** Exits when what was written has been written, or after a second; with 0 as `setExitCode`. */
  exit?: (code: number) => void
  /** Sets what a natural end exits with; 0 leaves it as it is, since others may have set it. */
  setExitCode?: (code: number) => void
  /** What keeps the event loop alive, by kind. */
  activeResources(): readonly string[]
  readonly signals: readonly string[]
  readonly inTest: boolean
  print(text: string): void
  /** Publishes if somebody subscribed. */
  publish(channel: string, message: object): void
}

interface Stream {
  write(text: string, done: (error?: unknown) => void): void
  once(event: 'error', listener: () => void): void
}

interface Process {
  readonly versions?: { readonly node?: string }
  readonly platform: string
  readonly env: Record<string, string | undefined>
  readonly stdout: Stream
  readonly stderr: Stream
  exitCode: number | undefined
  on(event: string, listener: unknown): void
  off(event: string, listener: unknown): void
  exit(): never
  getActiveResourcesInfo?(): string[]
  getBuiltinModule?(name: string): Channels | undefined
}

interface Channels {
  channel(name: string): { readonly hasSubscribers: boolean; publish(message: object): void }
}

interface Page {
  addEventListener?(event: string, listener: unknown): void
  removeEventListener?(event: string, listener: unknown): void
}

/** POSIX numbers, for exit codes. */
export const numbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGBREAK: 21,
}

export function findHost(): Host {
  const { process } = globalThis as { process?: Process }
  return process?.versions?.node ? processHost(process) : pageHost(globalThis as Page)
}

function processHost(process: Process): Host {
  const windows = process.platform === 'win32'
  // They are opened on first use: what they hold is not what is left behind.
  void [process.stdout, process.stderr]
  return {
    signals: ['SIGINT', 'SIGTERM', 'SIGHUP', ...(windows ? ['SIGBREAK'] : [])],
    inTest: ['VITEST', 'JEST_WORKER_ID', 'NODE_TEST_CONTEXT'].some((each) => each in process.env),
    on(event, listener) {
      try {
        process.on(event, listener)
        return () => process.off(event, listener)
      } catch {
        // This runtime or system does not know the event.
        return () => {}
      }
    },
    setExitCode(code) {
      if (code) process.exitCode = code
    },
    exit(code) {
      if (code) process.exitCode = code
      let open = 2
      const leave = (): void => process.exit()
      const written = (): void => void (--open || leave())
      // What was written before is out when this is.
      for (const stream of [process.stdout, process.stderr]) write(stream, '', written)
      void delay(1_000).then(leave)
    },
    activeResources() {
      try {
        return process.getActiveResourcesInfo?.() ?? []
      } catch {
        return [] // workerd has it only to say that it has it not
      }
    },
    print: (text) => write(process.stderr, `${text}\n`, noop),
    publish(name, message) {
      const channel = process
        .getBuiltinModule?.('node:diagnostics_channel')
        ?.channel(`uno-async:lifecycle.${name}`)
      if (channel?.hasSubscribers) channel.publish(message)
    },
  }
}

/** What is in `now` more often than in `before`. */
export function minus(now: readonly string[], before: readonly string[]): string[] {
  const left = [...before]
  return now.filter((each) => {
    const i = left.indexOf(each)
    if (i >= 0) left.splice(i, 1)
    return i < 0
  })
}

/** Writes, if somebody still reads: that nobody does is no failure of the application. */
function write(stream: Stream, text: string, done: () => void): void {
  stream.write(text, (error) => {
    if (error) stream.once('error', noop) // it comes next
    done()
  })
}

function pageHost(page: Page): Host {
  return {
    signals: [],
    inTest: false,
    on(event, listener) {
      page.addEventListener?.(event, listener)
      return () => page.removeEventListener?.(event, listener)
    },
    activeResources: () => [],
    print: (text) => console.error(text),
    publish: () => {},
  }
}
