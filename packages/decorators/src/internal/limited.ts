import { badValue, type CancellationToken, checkInteger, report, runIn } from '@uno-async/core'
import type { LimiterLike, LimiterScope } from '../limiter.js'
import type { AsyncDecorator, CommonOptions } from '../types.js'
import { checkChoice, checkCommon, raced } from './call.js'
import { decorator } from './decorate.js'
import type { Line, LineOptions } from './line.js'

/** What limiters of our own have in common. */
export interface OwnOptions extends CommonOptions, LineOptions {
  limit: number
  per?: LimiterScope | undefined
}

interface Runner {
  run(job: () => Promise<unknown>, token: CancellationToken): Promise<unknown>
}
type Verb = (...args: unknown[]) => Promise<unknown>

/** A limiter of any shape; undefined: it is none. */
function runnerOf(limiter: unknown): Runner | undefined {
  const { acquire, run, add } = Object(limiter) as Record<string, Verb | undefined>
  const how = (token: CancellationToken): object =>
    token.canBeCancelled ? { signal: token.signal } : {}
  if (typeof acquire === 'function') {
    return {
      async run(job, token) {
        const lease = await acquire.call(limiter, how(token))
        try {
          return await job()
        } finally {
          giveBack(lease).catch(report)
        }
      },
    }
  }
  if (typeof run === 'function')
    return { run: async (job, token) => run.call(limiter, job, how(token)) }
  const verb = typeof add === 'function' ? add : limiter
  return typeof verb === 'function' ? { run: async (job) => verb.call(limiter, job) } : undefined
}

async function giveBack(lease: unknown): Promise<void> {
  const { release, [Symbol.dispose]: dispose } = Object(lease)
  await (typeof lease === 'function' ? lease : (release ?? dispose))?.call(lease)
}

/** The decorator for a limiter that was given, or for those that `make` makes. */
export function limited<O extends OwnOptions>(
  limiter: LimiterLike | O,
  make: (options: O, name: string | undefined) => Line,
): AsyncDecorator {
  const given = runnerOf(limiter)
  const options = given ? ({} as O) : checkCommon(limiter as O)
  const { limit, per, whenLimited = 'wait', maxWaiting = Infinity } = options
  if (!given) {
    checkInteger('limit', limit, 1)
    checkChoice('whenLimited', ['wait', 'reject'], whenLimited)
    if (maxWaiting !== Infinity) checkInteger('maxWaiting', maxWaiting, 0)
    if (typeof per !== 'function' && ![undefined, 'class', 'instance'].includes(per)) {
      throw badValue('per', "'class', 'instance' or a function", per, TypeError)
    }
    make(options, undefined)
  }

  return decorator(options, (member) => {
    const lines = new Lines()
    const scope = per ?? (member ? 'instance' : 'class')
    return (call) => {
      const { self, args, token, name } = call
      const key = typeof scope === 'function' ? scope(self, args) : scope === 'class' ? lines : self
      const runner = given ?? lines.get(key, () => make(options, name))
      return raced(token, (stay) =>
        runner.run(async () => {
          stay()
          // A permit that comes after we left goes back at once.
          token.throwIfCancelled()
          return await runIn(call.frame, () => call.invoke(token))
        }, token),
      )
    }
  })
}

/** A line for each key. */
class Lines {
  readonly #objects = new WeakMap<object, Line>()
  readonly #others = new Map<unknown, Line>()
  #sweepAt = 100 // how many others there may be before the idle ones are dropped

  get(key: unknown, make: () => Line): Line {
    const lines = (Object(key) === key ? this.#objects : this.#others) as Map<unknown, Line>
    let line = lines.get(key)
    if (!line) {
      if (lines.size >= this.#sweepAt) {
        for (const [each, { idle }] of lines) if (idle) lines.delete(each)
        this.#sweepAt = Math.max(100, 2 * lines.size)
      }
      line = make()
      lines.set(key, line)
    }
    return line
  }
}
