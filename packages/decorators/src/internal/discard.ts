type Disposer = (() => unknown) | undefined

/** Disposes what nobody will get, if it can be; of a Response, gives the connection back. */
export async function discard(value: unknown): Promise<void> {
  const it = Object(value) as {
    [Symbol.asyncDispose]?: Disposer
    [Symbol.dispose]?: Disposer
    body?: ReadableStream
  }
  const dispose = it[Symbol.asyncDispose] ?? it[Symbol.dispose]
  if (dispose) await dispose.call(value)
  else if (it.body?.locked === false) await it.body.cancel()
}
