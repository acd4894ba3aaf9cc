import type { CancellationToken } from '@uno-async/core'

/** What core keeps in force for running code; it only ever reads these two. */
export interface Frame {
  readonly token: CancellationToken | undefined
  readonly values: ReadonlyMap<object, unknown> | undefined
}

interface Slot {
  frame: Frame | undefined
  storage: { get(): Frame | undefined; run<R>(frame: Frame, fn: () => R): R } | undefined
}

// Shared with core, the layout is part of the key. A task is a frame itself: `token.run(() => variable.run(…))`
// would make two frames, a Map and two functions for each task, which is most of what a task costs.
const KEY = Symbol.for('@uno-async/core/context.1')
let known: Slot | undefined

const slot = (): Slot => {
  const shared = globalThis as unknown as Record<symbol, Slot | undefined>
  return (known ??= shared[KEY] ??= { frame: undefined, storage: undefined })
}

export function currentFrame(): Frame | undefined {
  const { frame, storage } = slot()
  return storage?.get() ?? frame
}

/** Calls `fn` with `arg` while `frame` is in force. */
export function runIn<A, R>(frame: Frame, fn: (arg: A) => R, arg: A): R {
  const here = slot()
  if (here.storage) return here.storage.run(frame, () => fn(arg))
  const outer = here.frame
  here.frame = frame
  try {
    return fn(arg)
  } finally {
    here.frame = outer
  }
}
