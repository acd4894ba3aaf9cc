import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import { describe, expect, it, vi } from 'vitest'

vi.setConfig({ testTimeout: 30_000 })

/** A program of three files, with `using` lowered, run where Symbol.dispose is missing. */
async function run(first: string): Promise<unknown> {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        ${first}
        import { CancellationTokenSource } from '@uno-async/core'
        const log = []
        const closed = {}
        {
          using source = new CancellationTokenSource()
          using _registration = source.token.onCancelled(() => log.push('told'))
          closed.token = source.token
        }
        globalThis.result = { log, canBeCancelled: closed.token.canBeCancelled }
      `,
      resolveDir: fileURLToPath(new URL('..', import.meta.url)),
    },
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    tsconfigRaw: {}, // without its paths: what was built
  })
  const context = createContext({ performance, setTimeout, clearTimeout, AbortController })
  runInContext('for (const key of ["dispose", "asyncDispose"]) delete Symbol[key]', context)
  if (runInContext('"dispose" in Symbol', context)) {
    // A newer runtime has them for good: then it is a Symbol of one's own that lacks them.
    runInContext(
      'const native = Symbol; globalThis.Symbol = Object.assign((name) => native(name), { for: native.for, iterator: native.iterator, hasInstance: native.hasInstance, toStringTag: native.toStringTag })',
      context,
    )
  }
  runInContext((outputFiles[0] as { text: string }).text, context)
  return runInContext('globalThis.result', context)
}

describe('@uno-async/core/polyfill', () => {
  it('imported first makes lowered using work where the symbols are missing', async () => {
    expect(await run("import '@uno-async/core/polyfill'")).toEqual({
      log: [],
      canBeCancelled: false,
    })
  })

  it('defines them as well-known symbols are, and leaves those alone that are there', async () => {
    const before = [Symbol.dispose, Symbol.asyncDispose]
    // @ts-expect-error: it exports nothing
    await import('@uno-async/core/polyfill')
    expect([Symbol.dispose, Symbol.asyncDispose]).toEqual(before)
    for (const name of ['dispose', 'asyncDispose']) {
      expect(Object.getOwnPropertyDescriptor(Symbol, name)).toMatchObject({
        enumerable: false,
        writable: false,
      })
    }
  })
})
