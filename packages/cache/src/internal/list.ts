/** A link of a circular list. The list itself is one too, that holds nothing. */
export class Link {
  next: this = this
  prev: this = this
  list: List<Link> | undefined = undefined

  /** Idempotent. */
  unlink(): void {
    if (!this.list) return
    this.list.count--
    this.list = undefined
    this.next.prev = this.prev
    this.prev.next = this.next
    this.next = this.prev = this
  }
}

/** First in, first out; anything can leave from the middle. */
export class List<L extends Link> extends Link {
  count = 0

  get oldest(): L | undefined {
    return this.count ? (this.next as unknown as L) : undefined
  }

  push(link: L): void {
    const head = this as unknown as L
    link.list = this as never
    link.prev = head.prev
    link.next = head
    head.prev = head.prev.next = link
    this.count++
  }

  /** Takes out the oldest. */
  take(): L | undefined {
    const { oldest } = this
    oldest?.unlink()
    return oldest
  }
}
