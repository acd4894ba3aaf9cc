/** What the server answers to a query: the names; the rest is asked for by id. */
export interface Answer {
  readonly total: number
  readonly hits: readonly { readonly id: number; readonly name: string }[]
}

export interface City {
  readonly country: string
  readonly population: number
  readonly latitude: number
  readonly longitude: number
}

/** How the server is to behave; it does what the header `x-conditions` says. */
export const conditions = ['fine', 'slow', 'hanging', 'failing', 'limited', 'cut'] as const
export type Conditions = (typeof conditions)[number]
