/** A point in time that all share who ask in the same turn: a number of its own would be one more object for each. */
export interface Turn {
  readonly at: number
}

let turn: Turn | undefined
let resolved: Promise<void> | undefined

const read = (): Turn => ({ at: performance.now() })

/** `performance.now()`, read once a turn: the clock alone costs a quarter of all that a task does. */
export function thisTurn(): Turn {
  if (!turn) {
    turn = read()
    void (resolved ??= Promise.resolve()).then(endTurn)
  }
  return turn
}

/** The same for one that is alone in its turn, or says so with `inTurn`. */
export const newTurn = (): Turn => turn ?? read()

/** Calls `fn`, which all happens in this turn. */
export function inTurn<R>(now: Turn, fn: () => R): R {
  const outer = turn
  turn = now
  try {
    return fn()
  } finally {
    turn = outer
  }
}

function endTurn(): void {
  turn = undefined
}
