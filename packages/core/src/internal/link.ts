/** A link of a circular list. The list itself is one too, that holds nothing: alone, either points at itself. */
export interface Link {
  next: Link
  prev: Link
}

/** In a list; of a list: not empty. */
export const linked = (link: Link): boolean => link.next !== link

export function append(list: Link, link: Link): void {
  link.prev = list.prev
  link.next = list
  list.prev.next = link
  list.prev = link
}

/** Idempotent. */
export function unlink(link: Link): void {
  link.next.prev = link.prev
  link.prev.next = link.next
  link.next = link
  link.prev = link
}
