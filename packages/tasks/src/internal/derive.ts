import { CancellationToken, CancellationTokenSource } from '@uno-async/core'

// What a CancellationTokenSource is made of, without what a task has no use for: every task has a token, but few
// are ever cancelled alone. It leans on the layout of tokens, whose version is part of core's brand.
type Derived = new (parents: readonly CancellationToken[], open: true) => CancellationToken

/** A token that is cancelled with its parents, or by a source that `sourceOf` makes. */
export const derive = (parents: readonly CancellationToken[], name?: string): CancellationToken => {
  const token = new (CancellationToken as unknown as Derived)(parents, true)
  if (name !== undefined) (token as { name?: string }).name = name
  return token
}

const OPTIONS = { ref: true } // somebody waits for every task

/** The source of a derived token. */
export const sourceOf = (token: CancellationToken): CancellationTokenSource =>
  Object.assign(Object.create(CancellationTokenSource.prototype), { token, options: OPTIONS })

/** Does anybody listen to it? One that nobody listens to costs its parents nothing, and needs no closing. */
export const listened = (token: CancellationToken): boolean =>
  (token as { links?: object }).links !== undefined
