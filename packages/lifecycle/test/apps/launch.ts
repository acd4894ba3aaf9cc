// Builds a scenario of ./scenarios.ts, runs it in a process of its own, and drives it.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const packages = join(here, '../../..')

/** For esbuild: this package and core from their sources. */
export const alias = {
  '@uno-async/core': join(packages, 'core/src/index.ts'),
  '@uno-async/lifecycle': join(packages, 'lifecycle/src/index.ts'),
}

export class Launcher {
  readonly #dir = mkdtempSync(join(tmpdir(), 'uno-lifecycle-'))
  readonly file = join(this.#dir, 'app.mjs')
  readonly #running = new Set<ChildProcess>()

  async build(): Promise<void> {
    await build({
      entryPoints: [fileURLToPath(import.meta.resolve('./scenarios.ts'))],
      outfile: this.file,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      alias,
    })
  }

  run(scenario: string, ...args: string[]): App {
    return this.spawn([this.file, scenario, ...args])
  }

  spawn(args: readonly string[]): App {
    // Not in a test runner, as far as the application can see.
    const { VITEST, NODE_OPTIONS, ...env } = process.env
    const child = spawn(process.execPath, args, { env, stdio: 'pipe', detached: true })
    this.#running.add(child)
    child.on('exit', () => this.#running.delete(child))
    return new App(child)
  }

  close(): void {
    for (const child of this.#running) child.kill('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

export class App {
  readonly child: ChildProcess
  out = ''
  err = ''
  readonly #exit: Promise<number | string>

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.out += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.err += text
    })
    this.#exit = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
    })
  }

  get lines(): string[] {
    return this.out.split('\n').filter(Boolean)
  }

  /** The exit code, or the signal that ended it. */
  exit(): Promise<number | string> {
    return this.#exit
  }

  async saw(text: string): Promise<this> {
    while (!this.out.includes(text)) {
      const ended = await Promise.race([
        this.#exit,
        new Promise<undefined>((resolve) => setTimeout(resolve, 5)),
      ])
      if (ended !== undefined && !this.out.includes(text)) {
        throw new Error(`Ended with ${ended} before "${text}":\n${this.out}\n${this.err}`)
      }
    }
    return this
  }

  signal(name: NodeJS.Signals): this {
    this.child.kill(name)
    return this
  }
}
