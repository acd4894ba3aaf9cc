import { UnoAsyncError } from '@uno-async/core'

/** A context manager did not keep to enter once, yield once, exit once. `code` is `ERR_CONTEXT_PROTOCOL`. */
export class ContextProtocolError extends UnoAsyncError {
  override readonly code: 'ERR_CONTEXT_PROTOCOL' = 'ERR_CONTEXT_PROTOCOL'

  override get name(): string {
    return 'ContextProtocolError'
  }
}

interface Tree {
  readonly name?: unknown
  readonly error?: unknown
  readonly suppressed?: unknown
  readonly errors?: unknown
  readonly cause?: unknown
}

/**
 * Lists the errors inside a tree of SuppressedErrors, AggregateErrors and causes, without those wrappers:
 * oldest first, each once. Goes by shape, so it also reads the trees of polyfills and of other realms.
 *
 * @example
 * ```ts
 * import { collectErrors } from '@uno-async/context'
 * const root = new Error('connection lost')
 * collectErrors(new AggregateError([new Error('query failed', { cause: root }), root])) // root, then the query's
 * ```
 */
export function collectErrors(error: unknown): unknown[] {
  const found = new Set<unknown>()
  const seen = new Set<unknown>()
  const todo = [error] // the last is next
  while (todo.length) {
    const each = todo.at(-1)
    const { inside, cause } = look(each)
    if (seen.has(each)) {
      // What it comes from is listed.
      todo.pop()
      if (!inside) found.add(each)
      continue
    }
    seen.add(each)
    for (let i = inside?.length ?? 0; i--; ) todo.push(inside?.[i])
    if (cause !== undefined) todo.push(cause)
  }
  return [...found]
}

/** What it wraps, and what it comes from; nothing if it throws when it is looked at. */
function look(it: unknown): { inside?: readonly unknown[]; cause?: unknown } {
  try {
    const { name, error, suppressed, errors, cause } = (it ?? {}) as Tree
    if (name === 'SuppressedError') return { inside: [suppressed, error], cause }
    const many = name === 'AggregateError' || it instanceof AggregateError
    return many && Array.isArray(errors) ? { inside: errors, cause } : { cause }
  } catch {
    return {}
  }
}
