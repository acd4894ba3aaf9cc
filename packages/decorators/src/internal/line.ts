import { type CancellationToken, QueueFullError, WaitQueue } from '@uno-async/core'
import { nameOf } from './call.js'

/** What limiters of our own can be told. */
export interface LineOptions {
  whenLimited?: 'wait' | 'reject' | undefined
  maxWaiting?: number | undefined
}

/** A limiter: those who find nothing to take wait in line, or are refused. */
export abstract class Line {
  readonly who: string
  readonly options: LineOptions
  readonly queue: WaitQueue = new WaitQueue({ onLeave: () => this.left() })

  constructor(name: string | undefined, options: LineOptions) {
    this.who = nameOf(name)
    this.options = options
  }

  /** Nobody needs it: a new one would be the same. */
  abstract readonly idle: boolean
  /** Takes what there is; false if there is nothing. */
  abstract take(): boolean
  abstract giveBack(): void
  abstract refusal(): Error
  /** Somebody joined the line. */
  protected joined(): void {}
  /** Somebody left it, cancelled. */
  protected left(): void {}

  async run(job: () => Promise<unknown>, signal: CancellationToken): Promise<unknown> {
    const { queue, options } = this
    if (queue.size || !this.take()) {
      if (options.whenLimited === 'reject') throw this.refusal()
      if (queue.size >= (options.maxWaiting ?? Infinity)) {
        throw new QueueFullError(`${this.who} has ${queue.size} waiting, as many as may`)
      }
      const turn = queue.wait({ signal })
      this.joined()
      await turn
    }
    try {
      return await job()
    } finally {
      this.giveBack()
    }
  }
}
