import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  captureContext,
  checkFunction,
  type Lease,
  type Milliseconds,
  report,
} from '@uno-async/core'
import type { Permits, Request } from './permits.js'

export type Body<R> = (lease: Lease, token: CancellationToken) => R | PromiseLike<R>

/** What a `run` enters: gives a lease at once, or a promise of one. */
type Door = Pick<Permits, 'enter'>

/** Calls `fn` as one who holds `lease`. */
type Hold = <R>(lease: Lease, fn: () => R) => R

/** A promise of what the door gives. */
export function acquire(door: Door, options: Request | undefined): Promise<Lease> {
  try {
    const lease = door.enter(options)
    return lease instanceof Promise ? lease : Promise.resolve(lease)
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Holds what the door gives while body runs. The only promise is that of the outcome, unless somebody waits. */
export function run<R>(
  door: Door,
  body: Body<R>,
  options: Request | undefined,
  hold?: Hold,
): Promise<Awaited<R>> {
  try {
    checkFunction('body', body)
    const signal = options?.signal // now: the caller may use the object for the next call
    const lease = door.enter(options)
    if (!(lease instanceof Promise)) {
      return Promise.resolve(use(lease, body, signal, hold)) as Promise<Awaited<R>>
    }
    const inContext = captureContext()
    return lease.then((granted) => inContext(() => use(granted, body, signal, hold))) as Promise<
      Awaited<R>
    >
  } catch (error) {
    return Promise.reject(error)
  }
}

function use<R>(
  lease: Lease,
  body: Body<R>,
  signal: Cancellation | undefined,
  hold: Hold | undefined,
): R | PromiseLike<R> {
  return ending(() => {
    const token = CancellationToken.from(signal)
    token.throwIfCancelled() // it may have been since the grant
    return hold ? hold(lease, () => body(lease, token)) : body(lease, token)
  }, lease)
}

/** Calls fn with the token of a source, in force meanwhile; closes the source when it is done. */
export function closing<R>(
  source: CancellationTokenSource,
  fn: (token: CancellationToken) => R | PromiseLike<R>,
): R | PromiseLike<R> {
  const { token } = source
  return ending(() => token.run(() => fn(token)), { release: () => source.close() })
}

/** What fn comes to, unless the time is up before. Nobody else cancels its token. */
export function within<R>(
  timeout: Milliseconds,
  message: string,
  fn: (token: CancellationToken) => PromiseLike<R>,
): Promise<R> {
  const source = new CancellationTokenSource({ timeout, message, ref: true })
  return source.token.race(closing(source, fn) as PromiseLike<R>)
}

/** What `lease` comes to, unless the token is cancelled before: then it goes back when it comes. */
export function soon<L extends Lease | undefined>(
  token: CancellationToken,
  lease: Promise<L>,
): Promise<L> {
  return token.race(lease).catch((error: unknown) => {
    lease.then((late) => late?.release(), ignore).catch(report)
    throw error
  })
}

export const ignore = (): void => {}

/** Calls fn, and releases `held` once that has an outcome. */
export function ending<R>(
  fn: () => R | PromiseLike<R>,
  held: { release(): unknown },
): R | PromiseLike<R> {
  let result: R | PromiseLike<R>
  try {
    result = fn()
    if (isThenable(result)) {
      return Promise.resolve(result).then(
        (value) => {
          held.release()
          return value
        },
        (error) => {
          held.release()
          throw error
        },
      )
    }
  } catch (error) {
    held.release()
    throw error
  }
  held.release()
  return result
}

export const isThenable = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof (value as PromiseLike<T> | null | undefined)?.then === 'function'
