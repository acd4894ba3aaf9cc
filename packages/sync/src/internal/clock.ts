let turn: number | undefined

/**
 * `performance.now()`, read once a turn: for what never waits the clock alone would cost more than the rest.
 */
export function turnNow(): number {
  if (turn === undefined) {
    turn = performance.now()
    void Promise.resolve().then(endTurn)
  }
  return turn
}

function endTurn(): void {
  turn = undefined
}

/** For messages: the time that was given, without the tail of digits of what was left until a deadline. */
export const exact = (ms: number): string => `${+ms.toFixed(3)} ms`

/** For messages: `850 ms`, `12.4 s`. */
export const span = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
