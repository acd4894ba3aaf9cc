import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createApi } from '../server/api.js'
import { find, search } from '../server/cities.js'
import type { Conditions } from '../src/types.js'

/** The server of the example, on a port of its own. */
const open = async () => {
  const log: string[] = []
  const server = createServer(createApi((line) => log.push(line)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const ask = (path: string, conditions: Conditions, signal: AbortSignal | null = null) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-conditions': conditions }, signal })
  const close = async () => {
    server.closeAllConnections()
    await once(server.close(), 'close')
  }
  return { log, ask, port, [Symbol.asyncDispose]: close }
}

describe('the data', () => {
  it('is searched by the beginnings of words, without case and accents, the largest first', () => {
    const names = (query: string) => search(query).hits.map(({ name }) => name)
    expect(names('sao pau')[0]).toBe('São Paulo')
    expect(names('PAULO')).toContain('São Paulo')
    expect(names('aulo')).toEqual([])
    expect(names('york').slice(0, 3)).toEqual(['York', 'New York City', 'North York'])
  })

  it('knows the rest by id', () => {
    const [berlin] = search('berlin').hits
    expect(find([berlin?.id ?? 0, 1])).toEqual([
      { country: 'DE', population: 3426354, latitude: 52.52437, longitude: 13.41053 },
      null,
    ])
  })
})

describe('the server', () => {
  it('answers, fails and cuts the line as it is told', async () => {
    await using server = await open()
    const fine = await server.ask('/search?q=berlin', 'fine')
    expect(await fine.json()).toMatchObject({ total: 1, hits: [{ name: 'Berlin' }] })
    expect((await server.ask('/search?q=berlin', 'failing')).status).toBe(503)
    expect((await fetch(`http://127.0.0.1:${server.port}/?conditions=failing`)).status).toBe(503)
    expect((await server.ask('/nowhere', 'fine')).status).toBe(404)
    for (const path of ['//', '//[/search?q=berlin'])
      expect((await server.ask(path, 'fine')).status).toBe(404)
    await expect(server.ask('/search?q=berlin', 'cut')).rejects.toThrow('fetch failed')
  })

  it('says when to come again to who asks too often', async () => {
    await using server = await open()
    const asked = Array.from({ length: 4 }, () => server.ask('/search?q=x', 'limited'))
    const answers = await Promise.all(asked)
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 429])
    const refused = answers.find(({ status }) => status === 429)
    expect(refused?.headers.get('retry-after')).toMatch(/^[12]$/)
  })

  it('stops working for a client that leaves', async () => {
    await using server = await open()
    const controller = new AbortController()
    const asked = server.ask('/search?q=berlin', 'hanging', controller.signal)
    setTimeout(() => controller.abort(), 50)
    await expect(asked).rejects.toThrow('aborted')
    await expect.poll(() => server.log.join()).toMatch(/q=berlin {2}the client left/)
  })
})
