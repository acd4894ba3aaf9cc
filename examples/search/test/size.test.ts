import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Rolldown } from 'vite'
import { beforeAll, describe, expect, it } from 'vitest'

/** Bytes, gzipped: 3 % above the 13 064 measured, 11 431 of which are AsyncCache with what it takes from core. */
const ceiling = 13_460

describe('what is built', () => {
  let chunks: Rolldown.OutputChunk[]

  beforeAll(async () => {
    const root = fileURLToPath(new URL('..', import.meta.url))
    const { output } = (await build({
      root,
      logLevel: 'error',
      build: { write: false },
    })) as Rolldown.RolldownOutput
    chunks = output.filter((it) => it.type === 'chunk')
  })

  /** The packages of which code is left in a chunk. */
  const packagesIn = ({ modules }: Rolldown.OutputChunk) => {
    const names = Object.entries(modules)
      .filter(([, { renderedLength }]) => renderedLength > 0)
      .map(([id]) => /\/packages\/([a-z]+)\//.exec(id)?.[1] ?? 'app')
    return [...new Set(names)].sort()
  }

  it('has all of @uno-async in a chunk of its own, and no more than cache, core and sync', () => {
    const [ours, ...others] = chunks.sort((a, b) => b.name.localeCompare(a.name))
    expect(ours && packagesIn(ours)).toEqual(['cache', 'core', 'sync'])
    expect(others.flatMap(packagesIn)).toEqual(['app'])
  })

  it('keeps the share of @uno-async small', () => {
    const ours = chunks.find(({ name }) => name === 'uno-async')
    const size = gzipSync(ours?.code ?? '', { level: 9 }).length
    expect(size).toBeGreaterThan(5_000)
    expect(size).toBeLessThan(ceiling)
  })
})
