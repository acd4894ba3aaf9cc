import { runIn } from './context.js'
import { append, type Link, linked, unlink } from './link.js'
import { report } from './report.js'

const MAX = 2_147_483_647 // the longest a host timer takes: beyond it fires at once

let host: unknown // the setTimeout that `buckets` belong to: fake timers bring their own
let buckets = new Map<number, Bucket>()

/**
 * Something to happen at a point in time. Alarms of the same millisecond share one host timer, so that a
 * busy server does not pay for one with every timeout; the last to leave clears it.
 */
export abstract class Alarm implements Link {
  next: Link = this
  prev: Link = this
  /** On the performance.now() scale. */
  readonly at: number
  bucket: Bucket | undefined = undefined

  constructor(at: number) {
    this.at = at
  }

  abstract ring(): void

  /** Rings when it is time, never early; `ref` keeps the process alive until then. */
  set(ref: boolean): void {
    // Fake timers can all be cleared behind our back, and an alarm must not join one that will never fire: not shared.
    if (host !== setTimeout || 'clock' in setTimeout) {
      host = setTimeout
      buckets = new Map()
    }
    const { at } = this
    const key = ref ? Math.ceil(at) : -1 - Math.ceil(at)
    const bucket = buckets.get(key) ?? new Bucket(buckets, key, at)
    if (at > bucket.due) bucket.due = at
    append(bucket, this)
    this.bucket = bucket
  }

  /** Idempotent. */
  clear(): void {
    const { bucket } = this
    if (!bucket) return
    this.bucket = undefined
    unlink(this)
    if (!linked(bucket) && bucket.home.delete(bucket.key)) clearTimeout(bucket.timer)
  }
}

class Bucket implements Link {
  next: Link = this
  prev: Link = this
  readonly home: Map<number, Bucket>
  key: number
  due: number // when the last of it is
  timer: ReturnType<typeof setTimeout> | undefined = undefined

  constructor(home: Map<number, Bucket>, key: number, due: number) {
    this.home = home
    this.key = key
    this.due = due
    home.set(key, this)
    start(this)
  }
}

function start(bucket: Bucket): void {
  const wait = Math.max(0, Math.min(Math.ceil(bucket.due - performance.now()), MAX))
  bucket.timer = setTimeout(fire, wait, bucket, wait)
  if (bucket.key < 0) (bucket.timer as { unref?(): void }).unref?.()
}

const ring = (alarm: Alarm): void => alarm.ring()

function fire(bucket: Bucket, waited: number): void {
  const rest = bucket.due - performance.now()
  // Host timers fire up to a millisecond early, and long waits come in pieces: wait for the rest.
  // But where the clock hardly moved, somebody drives the timers by hand without it: believe them.
  if (rest > 0 && (waited === MAX || rest * 2 <= waited + 1)) return start(bucket)
  bucket.home.delete(bucket.key)
  bucket.key = NaN // whoever sets an alarm now may need another one of this millisecond
  while (linked(bucket)) {
    const alarm = bucket.next as Alarm
    alarm.clear()
    try {
      // Not in the context of whoever set the timer that all of this millisecond share.
      runIn(undefined, ring, alarm)
    } catch (error) {
      report(error)
    }
  }
}
