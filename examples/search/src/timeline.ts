export type Outcome = 'running' | 'done' | 'cancelled' | 'timeout' | 'failed'

/** The life of a request. */
export class Life {
  outcome: Outcome = 'running'
  note = ''
  to: number | undefined
  readonly from = performance.now()
  readonly pauses: { from: number; to?: number }[] = []
  readonly label: string
  readonly #onChange: () => void

  constructor(label: string, onChange: () => void) {
    this.label = label
    this.#onChange = onChange
  }

  /** Waits because the server said so. */
  pause(): void {
    this.pauses.push({ from: performance.now() })
  }

  resume(): void {
    const pause = this.pauses.at(-1)
    if (pause) pause.to = performance.now()
  }

  end(outcome: Outcome, error?: unknown): void {
    this.to = performance.now()
    this.outcome = outcome
    const took = `${Math.round(this.to - this.from)} ms`
    if (outcome === 'cancelled') this.note = `cancelled after ${took}`
    else this.note = error instanceof Error ? error.message : took
    this.#onChange()
  }
}

/** The requests and keys of a while; typing after a longer rest begins a new one. */
export class Timeline {
  readonly lives: Life[] = []
  readonly keys: { readonly at: number; readonly key: string }[] = []
  readonly #onChange: () => void

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  get isRunning(): boolean {
    return this.lives.some(({ to }) => to === undefined)
  }

  begin(label: string): Life {
    this.#turn()
    const life = new Life(label, this.#onChange)
    this.lives.push(life)
    this.lives.splice(0, this.lives.length - 50)
    this.#onChange()
    return life
  }

  key(key: string): void {
    this.#turn()
    this.keys.push({ at: performance.now(), key })
    this.keys.splice(0, this.keys.length - 200)
    this.#onChange()
  }

  /** Begins anew after four quiet seconds. */
  #turn(): void {
    const last = Math.max(this.lives.at(-1)?.to ?? 0, this.keys.at(-1)?.at ?? 0)
    if (this.isRunning || performance.now() - last < 4_000) return
    this.lives.length = this.keys.length = 0
  }
}
