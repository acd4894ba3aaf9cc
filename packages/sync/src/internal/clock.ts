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
