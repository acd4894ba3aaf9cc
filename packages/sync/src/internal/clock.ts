let turn: number | undefined

/**
 * `performance.now()`, read once a turn: what never waits may cost no more than a few nanoseconds, and the
 * clock alone costs ten times that.
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

/** For messages: `850 ms`, `12.4 s`. */
export const span = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
