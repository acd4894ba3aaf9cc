import { badValue, type CancellationToken, isCancelled } from '@uno-async/core'
import type { ExitInfo } from '../contracts.js'

export const DONE: ExitInfo = /*#__PURE__*/ Object.freeze({ ok: true })

/** What is wrong with what a caller gave, if anything. */
export function wrongInfo(info: ExitInfo): Error | undefined {
  if (typeof info?.ok !== 'boolean') return badValue('info', 'an ExitInfo', info, TypeError)
}

/**
 * What is pending once `error` has been thrown on top of `info`. A real error stands before a cancellation;
 * of two cancellations the first is enough, or nobody would recognise the pair as one.
 */
export function add(info: ExitInfo, error: unknown, cancelled: boolean): ExitInfo {
  if (info.ok) return { ok: false, error, cancelled }
  if (cancelled && info.cancelled) return info
  if (contains(error, info.error)) return { ok: false, error, cancelled: false }
  const both = cancelled ? suppress(info.error, error) : suppress(error, info.error)
  return { ok: false, error: both, cancelled: false }
}

/** Has `error` suppressed `part`, itself or by what it suppressed? */
function contains(error: unknown, part: unknown): boolean {
  const seen = new Set<unknown>()
  try {
    let each = (error as Suppressed | undefined)?.suppressed as Suppressed | undefined
    for (; each && !seen.has(each); each = each.suppressed as Suppressed | undefined) {
      if (each === part) return true
      seen.add(each)
    }
  } catch {} // it does not let itself be looked at, and all others must be exited all the same
  return false
}

/** Is `error` a cancellation, or what `token` was cancelled with? */
export function isCancellation(error: unknown, token: CancellationToken): boolean {
  return isCancelled(error) || token.owns(error)
}

interface Suppressed extends Error {
  readonly error: unknown
  readonly suppressed: unknown
}

type SuppressedClass = new (error: unknown, suppressed: unknown, message: string) => Suppressed

export function suppress(error: unknown, suppressed: unknown): Error {
  const message = 'An error was suppressed during disposal'
  const Native = (globalThis as { SuppressedError?: SuppressedClass }).SuppressedError
  if (Native) return new Native(error, suppressed, message)
  const own = (value: unknown): PropertyDescriptor => ({
    value,
    writable: true,
    configurable: true,
  })
  return Object.defineProperties(new Error(message), {
    name: own('SuppressedError'),
    error: own(error),
    suppressed: own(suppressed),
  })
}
