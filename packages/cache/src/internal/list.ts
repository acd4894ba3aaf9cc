/** A link of a circular list. */
export interface Link {
  next: Link
  prev: Link
  list: List<never> | undefined
}

/** Takes it out of its list, if it is in one. */
export function unlink(link: Link): void {
  if (!link.list) return
  link.list.count--
  link.list = undefined
  link.next.prev = link.prev
  link.prev.next = link.next
  link.next = link.prev = link
}

/** First in, first out; anything can leave from the middle. It is a link of its own, that holds nothing. */
export class List<L extends Link> implements Link {
  next: Link = this
  prev: Link = this
  list: List<never> | undefined = undefined
  count = 0

  get oldest(): L | undefined {
    return this.count ? (this.next as L) : undefined
  }

  get newest(): L | undefined {
    return this.count ? (this.prev as L) : undefined
  }

  /** From wherever it was. */
  push(link: L): void {
    unlink(link)
    link.list = this as never
    link.prev = this.prev
    link.next = this
    this.prev = this.prev.next = link
    this.count++
  }

  /** Takes out the oldest. */
  take(): L | undefined {
    const { oldest } = this
    if (oldest) unlink(oldest)
    return oldest
  }

  /** All at once, so that they may leave while one looks. */
  all(): L[] {
    const links: L[] = []
    for (let link: Link = this.next; link !== this; link = link.next) links.push(link as L)
    return links
  }
}
