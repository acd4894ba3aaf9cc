/** A link of a circular list. The list itself is one too, that holds nothing: alone, either points at itself. */
export class Link {
  next: Link = this
  prev: Link = this

  /** In a list; of a list: not empty. */
  get linked(): boolean {
    return this.next !== this
  }

  append(link: Link): void {
    link.prev = this.prev
    link.next = this
    this.prev.next = link
    this.prev = link
  }

  /** Idempotent. */
  unlink(): void {
    this.next.prev = this.prev
    this.prev.next = this.next
    this.next = this
    this.prev = this
  }
}
