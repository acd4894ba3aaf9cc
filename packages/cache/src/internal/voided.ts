/** Which tags were invalidated while something was being loaded: once for all loads, which are numbered for it. */
export class Voided {
  begun = 0 // how many loads, ever: the number of the last
  readonly #last = new Map<string, number>() // the last load that had begun by then, lowest first

  /** @param oldest - of the loads in flight: what only those before had to know is forgotten */
  add(tags: readonly string[], oldest: number = Infinity): void {
    for (const [tag, last] of this.#last) {
      if (last >= oldest) break
      this.#last.delete(tag)
    }
    for (const tag of tags) {
      this.#last.delete(tag) // so that it comes last
      this.#last.set(tag, this.begun)
    }
  }

  /** Was one of these, or those of the load, invalidated since it began? */
  isVoid(
    load: { readonly nth: number; readonly tags: unknown },
    tags: unknown = load.tags,
  ): boolean {
    return Array.isArray(tags) && tags.some((tag) => (this.#last.get(tag) as number) >= load.nth)
  }
}
