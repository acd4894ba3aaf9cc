let turn: number | undefined
let resolved: Promise<void> | undefined

/** `performance.now()`, read once a turn: the clock alone costs as much as all the rest of a task. */
export function turnNow(): number {
  if (turn === undefined) {
    turn = performance.now()
    void (resolved ??= Promise.resolve()).then(endTurn)
  }
  return turn
}

function endTurn(): void {
  turn = undefined
}
