import { spawnSync } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CancellationToken } from '@uno-async/core'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** Runs an ES module in a process of its own, with what was built. */
export function child(code: string, ...flags: string[]) {
  const args = [...flags, '--input-type=module', '-e', code]
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  return { status, stdout: stdout.trim(), stderr, took: performance.now() - began }
}

export const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** Lets fake timers pass for those of a host: one for all alarms of a millisecond. */
export const asHost = (): boolean => Reflect.deleteProperty(setTimeout, 'clock')

interface Links {
  next: Links
  links?: Links
  also?: Links
}

/** How many registrations and derived tokens hang on a token. */
export function hooksOf(token: CancellationToken): number {
  const list = token as unknown as Links
  let count = 0
  for (let link = list.next; link !== list; link = link.next) count++
  return count
}

/** How many parents know a token. */
export function linksOf(token: CancellationToken): number {
  let count = 0
  for (let link = (token as unknown as Links).links; link; link = link.also) count++
  return count
}

/** What a promise came to, for promises that have settled. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const pending = Symbol('pending')
  for (let i = 0; i < 20; i++) await undefined
  return Promise.race([promise, Promise.resolve(pending)]).then(
    (value) => (value === pending ? 'pending' : { resolved: value }),
    (error) => ({ rejected: error }),
  )
}

/** Bytes in use after a full collection. */
export async function heap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
}

/** Thrown away unless something holds it: collects, and gives what is left of it. */
export async function collected(ref: WeakRef<object>): Promise<boolean> {
  for (let i = 0; i < 10 && ref.deref(); i++) await heap()
  return ref.deref() === undefined
}

/** A signal of somebody's own making, as polyfills bring them. */
export class PolyfilledSignal {
  aborted = false
  reason: unknown = undefined
  readonly listeners = new Set<() => void>()

  addEventListener(_type: string, listener: () => void): void {
    this.listeners.add(listener)
  }

  removeEventListener(_type: string, listener: () => void): void {
    this.listeners.delete(listener)
  }

  abort(reason?: unknown): void {
    this.aborted = true
    this.reason = reason
    for (const listener of [...this.listeners]) listener()
  }
}

export const polyfilled = (): PolyfilledSignal & AbortSignal => new PolyfilledSignal() as never
