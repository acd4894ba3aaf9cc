import { AsyncCache } from '@uno-async/cache'
import { CancellationTokenSource } from '@uno-async/core'
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { settle } from './helpers.js'

const KEYS = ['a', 'b']
const TTL = 100
const SWR = 50
const SIE = 150

/** What is known about a key, and what is being loaded: as simple as can be. */
interface Model {
  values: Map<string, { value: number; at: number; tags: readonly string[]; retryAt: number }>
  flights: Flight[]
  clock: number
}

interface Flight {
  key: string
  current: boolean
  background: boolean
  voided: boolean // its tag was invalidated
  over: boolean
  waiting: Set<Caller>
  cancelled: () => boolean
  resolve(value: number): void
  reject(error: Error): void
}

interface Caller {
  outcome: unknown // 'pending' until then
  expected: unknown
  source: CancellationTokenSource
}

class Real {
  flights: Flight[] = []
  next = 0
  readonly callers: Caller[] = []
  readonly cache = new AsyncCache<string, number>({
    ttl: TTL,
    staleWhileRevalidate: SWR,
    staleIfError: SIE,
    refreshBackoff: 20,
    load: (key, { token, background }) =>
      new Promise((resolve, reject) => {
        token.onCancelled(() => {})
        this.flights.push({
          key,
          background,
          current: true,
          voided: false,
          over: false,
          waiting: new Set(),
          cancelled: () => token.cancelled,
          resolve,
          reject,
        })
      }),
  })
}

type Command = fc.AsyncCommand<Model, Real>

const live = (model: Model, key: string, now = model.clock) => {
  const it = model.values.get(key)
  return it && now < it.at + TTL + SIE ? it : undefined
}
const flying = (model: Model, key: string) =>
  model.flights.find((it) => it.key === key && it.current && !it.over)

/** After every command: the same values, the same flights, everybody has what they should have. */
const check = async (model: Model, real: Real): Promise<void> => {
  await settle()
  for (const key of KEYS) {
    const it = live(model, key)
    expect(real.cache.peek(key)).toBe(it?.value)
    expect(real.cache.has(key)).toBe(it !== undefined)
  }
  expect(real.cache.size).toBe(KEYS.filter((key) => live(model, key)).length)
  expect(real.cache.stats().loading).toBe(KEYS.filter((key) => flying(model, key)).length)
  for (const caller of real.callers) expect(caller.outcome).toBe(caller.expected)
  for (const flight of model.flights) {
    const unwanted = flight.over && flight.waiting.size === 0
    if (!flight.over) expect(flight.cancelled()).toBe(false)
    expect(flight.waiting.size > 0 || flight.background || unwanted).toBe(true)
  }
}

const keep = (model: Model, key: string, value: number, tags: readonly string[]) =>
  model.values.set(key, { value, at: model.clock, tags, retryAt: 0 })

const finish = (flight: Flight, outcome: (caller: Caller) => unknown) => {
  for (const caller of flight.waiting) caller.expected = outcome(caller)
  flight.waiting.clear()
  flight.over = true
}

const detach = (model: Model, key: string) => {
  const flight = flying(model, key)
  if (!flight) return
  flight.current = false
  if (!flight.waiting.size) flight.over = true
}

const command = (name: string, run: (model: Model, real: Real) => unknown): Command => ({
  check: () => true,
  run: async (model, real) => {
    run(model, real)
    await check(model, real)
  },
  toString: () => name,
})

const get = (key: string) =>
  command(`get(${key})`, (model, real) => {
    const caller: Caller = {
      outcome: 'pending',
      expected: 'pending',
      source: new CancellationTokenSource(),
    }
    const before = real.flights.length
    const it = live(model, key)
    const late = it ? model.clock - it.at - TTL : SIE
    const tired = it !== undefined && model.clock < it.retryAt
    const served = late < SWR || tired
    const loads = !flying(model, key) && (served ? late >= 0 && !tired : true)
    real.callers.push(caller)
    real.cache.get(key, { signal: caller.source.token, tags: ['t', key] }).then(
      (value) => {
        caller.outcome = value
      },
      (error) => {
        caller.outcome = error
      },
    )
    const started = real.flights.slice(before)
    expect(started).toEqual(loads ? [expect.objectContaining({ key, background: served })] : [])
    model.flights.push(...started)
    if (served) caller.expected = it?.value
    else flying(model, key)?.waiting.add(caller)
  })

const leave = (which: number) =>
  command(`leave(${which})`, (model, real) => {
    const waiting = real.callers.filter((it) => it.expected === 'pending')
    const caller = waiting[which % waiting.length]
    if (!caller) return
    const reason = new Error('left')
    caller.expected = reason
    caller.source.cancel(reason)
    for (const flight of model.flights) {
      if (!flight.waiting.delete(caller) || flight.waiting.size) continue
      if (flight.background && flight.current) continue
      flight.over = true
      expect(flight.cancelled()).toBe(true)
    }
  })

const load = (which: number, fails: boolean) =>
  command(`${fails ? 'fail' : 'load'}(${which})`, (model, real) => {
    const open = model.flights.filter(({ over }) => !over)
    const some = which < 15 ? open : model.flights // a late one does nothing
    const flight = some[which % some.length]
    if (!flight) return
    const value = ++real.next
    const error = new Error(`load ${value}`)
    if (fails) flight.reject(error)
    else flight.resolve(value)
    if (flight.over) return
    const { key } = flight
    const old = flight.current ? live(model, key) : undefined
    if (!fails) {
      finish(flight, () => value)
      if (flight.current && !flight.voided) keep(model, key, value, ['t', key])
      return
    }
    if (old) old.retryAt = model.clock + 20
    finish(flight, () => (old ? old.value : error))
  })

const set = (key: string) =>
  command(`set(${key})`, (model, real) => {
    const value = ++real.next
    void real.cache.set(key, value)
    const flight = flying(model, key)
    if (flight) finish(flight, () => value)
    keep(model, key, value, [])
  })

const invalidate = (key: string) =>
  command(`invalidate(${key})`, (model, real) => {
    void real.cache.invalidate(key)
    model.values.delete(key)
    detach(model, key)
  })

const tag = (name: string) =>
  command(`tag(${name})`, (model, real) => {
    void real.cache.invalidateTags(name)
    for (const [key, { tags }] of model.values) if (tags.includes(name)) model.values.delete(key)
    for (const key of KEYS) if (name === 't' || name === key) detach(model, key)
  })

const clear = command('clear', (model, real) => {
  void real.cache.clear()
  model.values.clear()
  for (const key of KEYS) detach(model, key)
})

const wait = (ms: number) =>
  command(`wait(${ms})`, (model) => {
    vi.advanceTimersByTime(ms)
    model.clock += ms
  })

it('does what a simple map would do, whatever happens in whatever order', async () => {
  vi.useFakeTimers()
  const key = fc.constantFrom(...KEYS)
  const commands = fc.commands(
    [
      key.map(get),
      key.map(get),
      fc.nat(20).map(leave),
      fc.nat(20).map((which) => load(which, true)),
      fc.nat(20).map((which) => load(which, false)),
      fc.nat(20).map((which) => load(which, false)),
      key.map(set),
      key.map(invalidate),
      fc.constantFrom('t', 'a', 'b').map(tag),
      fc.constant(clear),
      fc.constantFrom(1, 20, 49, 50, 100).map(wait),
      fc.constantFrom(100, 140).map(wait),
    ],
    { maxCommands: 40, size: 'max' },
  )
  await fc.assert(
    fc.asyncProperty(commands, async (cmds) => {
      const setup = () => ({
        model: { values: new Map(), flights: [], clock: 0 } as Model,
        real: new Real(),
      })
      let last: Real | undefined
      await fc.asyncModelRun(() => {
        const it = setup()
        last = it.real
        return it
      }, cmds)
      await last?.cache.close()
      await settle()
      expect(last?.callers.filter(({ outcome }) => outcome === 'pending')).toEqual([])
      expect(vi.getTimerCount()).toBe(0)
    }),
    { numRuns: 1_000 },
  )
  vi.useRealTimers()
}, 30_000)
