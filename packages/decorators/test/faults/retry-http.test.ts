import {
  createServer,
  get as httpGet,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { CancellationToken, CancellationTokenSource, isTimeout } from '@uno-async/core'
import {
  attemptsOf,
  compose,
  concurrentLimited,
  retry,
  retryAfter,
  timeoutHandler,
  withToken,
} from '@uno-async/decorators'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

class HttpError extends Error {
  readonly response: Response
  constructor(response: Response) {
    super(`HTTP ${response.status}`)
    this.response = response
  }
}

let server: Server
let url = ''
let answers: Answer[] = [] // one for each request, the last for all others
let requests: { at: number; open: boolean }[] = []
let overlapped = false

beforeAll(async () => {
  server = createServer((request, response) => {
    overlapped ||= requests.some(({ open }) => open)
    const entry = { at: performance.now(), open: true }
    requests.push(entry)
    response.on('close', () => {
      entry.open = false
    })
    response.setHeader('connection', 'close')
    ;(answers.length > 1 ? answers.shift() : answers[0])?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))
beforeEach(() => {
  requests = []
  overlapped = false
})

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(code, headers).end(`${code}`)
const reset: Answer = (request) => request.socket.resetAndDestroy()
const hang: Answer = () => {}

/** One connection for each request. (`fetch` of Node 20 opens another after an abort, to have one at hand.) */
const request = (signal: AbortSignal) =>
  new Promise<Response>((resolve, reject) => {
    const sent = httpGet(url, { agent: false, signal }, (message) => {
      const headers = Object.entries(message.headersDistinct).map(([name, values]) => [
        name,
        String(values),
      ])
      resolve(
        new Response(Readable.toWeb(message) as ReadableStream, {
          status: message.statusCode as number,
          headers: headers as [string, string][],
        }),
      )
    })
    sent.on('error', (error) => reject(signal.aborted ? signal.reason : error))
  })

const get = withToken(async (token) => {
  const response = await request(token.signal)
  if (!response.ok) {
    await response.text()
    throw new HttpError(response)
  }
  return response
})
const sockets = () =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )
const quiet = async () => {
  for (let i = 0; i < 100 && (await sockets()) > 0; i++)
    await new Promise((go) => setTimeout(go, 10))
  return sockets()
}
const timers = () => process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length

it('gets through 500, 429 in both forms and resets, without overlap, and leaves no socket', async () => {
  const date = () => new Date(Date.now() + 1_500).toUTCString()
  answers = [
    status(500),
    reset,
    status(429, { 'retry-after': '1' }),
    (request, response) => status(429, { 'retry-after': date() })(request, response),
    status(503),
    status(200),
  ]
  const pauses: number[] = []
  const before = timers()
  const response = await retry({
    maxAttempts: 6,
    backoff: 'constant',
    baseDelay: 20,
    onRetry: ({ delay, error }) => {
      pauses.push(delay)
      if (pauses.length > 2 && pauses.length < 5) expect(retryAfter(error)).toBeTypeOf('number')
    },
  })(get)()
  expect(await response.text()).toBe('200')
  expect(requests).toHaveLength(6)
  expect(overlapped).toBe(false)
  expect(pauses.slice(0, 3)).toEqual([20, 20, 1_000])
  expect(pauses[3]).toBeGreaterThan(0)
  expect(pauses[3]).toBeLessThanOrEqual(1_500)
  expect(await quiet()).toBe(0)
  expect(timers()).toBeLessThanOrEqual(before)
})

it('gives up with the last error as it is, and has all of them', async () => {
  answers = [status(500), reset, status(502)]
  const error = await retry({ baseDelay: 5 })(get)().catch((it) => it)
  expect(error).toBeInstanceOf(HttpError)
  expect(error.message).toBe('HTTP 502')
  expect(attemptsOf(error)).toHaveLength(3)
  expect(attemptsOf(error)[1]).toMatchObject({ code: 'ECONNRESET' })
  expect(await quiet()).toBe(0)
})

it('cancels the attempt that hangs before the next one begins', async () => {
  answers = [hang, hang, status(200)]
  const response = await retry({ attemptTimeout: 50, baseDelay: 20, backoff: 'constant' })(get)()
  expect(await response.text()).toBe('200')
  expect(requests).toHaveLength(3)
  expect(overlapped).toBe(false)
  expect(await quiet()).toBe(0)
})

it('is over when all together take too long', async () => {
  answers = [status(500), hang]
  const error = await retry({ timeout: 100, baseDelay: 5 })(get)().catch((it) => it)
  expect(isTimeout(error)).toBe(true)
  expect(attemptsOf(error)).toHaveLength(2)
  expect(await quiet()).toBe(0)
})

it('stops at once when cancelled, in an attempt and in a pause, with the reason itself', async () => {
  for (const answer of [hang, status(500)]) {
    answers = [answer]
    requests = []
    const controller = new AbortController()
    const call = retry({ signal: controller.signal, backoff: 'constant', baseDelay: 5_000 })(get)()
    const settled = call.catch((it) => it)
    while (!requests.length) await new Promise((go) => setTimeout(go, 5))
    await new Promise((go) => setTimeout(go, 30))
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await settled).toBe(reason)
    expect(requests).toHaveLength(1)
    expect(await quiet()).toBe(0)
  }
})

it('gives the connection of a refused Response back', async () => {
  answers = [
    (_, response) => response.writeHead(503).write('the body never ends'),
    (_, response) => response.writeHead(503).write('the body never ends'),
    status(200),
  ]
  const response = await retry({
    baseDelay: 20,
    backoff: 'constant',
    shouldRetryResult: (it) => (it as Response).status === 503,
  })(async () => fetch(url))()
  expect(await response.text()).toBe('200')
  expect(overlapped).toBe(false)
  expect(await quiet()).toBe(0)
})

it('leaves a Response readable after the call, under the whole stack', async () => {
  answers = [
    (_, response) => {
      response.writeHead(200).write('first, ')
      setTimeout(() => response.end('last'), 150)
    },
  ]
  const stack = compose(timeoutHandler(1_000), retry(), concurrentLimited(2), timeoutHandler(100))
  const response = await stack(get)()
  expect(await response.text()).toBe('first, last')
  expect(await quiet()).toBe(0)
})

it('a burst of callers, a failing server, half of them cancelled: all settle, nothing is left', async () => {
  let count = 0
  answers = [
    (request, response) =>
      [status(200), status(500), reset, hang][count++ % 4]?.(request, response),
  ]
  const before = timers()
  const source = new CancellationTokenSource()
  const load = compose(
    timeoutHandler(5_000),
    retry({ maxAttempts: 8, baseDelay: 5, maxDelay: 50 }),
    concurrentLimited(8),
    timeoutHandler(100),
  )(async () => (await get()).text())
  const calls = Array.from({ length: 60 }, (_, i) =>
    i % 2 ? load() : source.token.run(() => load()),
  )
  setTimeout(() => source.cancel('half'), 60)
  const outcomes = await Promise.allSettled(calls)
  expect(outcomes).toHaveLength(60)
  for (const it of outcomes.filter((_, i) => i % 2)) {
    if (it.status === 'fulfilled') expect(it.value).toBe('200')
    else expect(attemptsOf(it.reason).length).toBeGreaterThan(1)
  }
  expect(await quiet()).toBe(0)
  expect(timers()).toBeLessThanOrEqual(before)
  expect(CancellationToken.current).toBe(CancellationToken.none)
})
