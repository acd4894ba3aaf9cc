import { CancellationToken, CancellationTokenSource, TimeoutError } from '@uno-async/core'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { hooksOf, linksOf } from './helpers.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** What a token should be, told eagerly: everything that depends on it hears at once. */
interface Node {
  token: CancellationToken
  source: CancellationTokenSource | undefined
  parents: Node[]
  children: Node[]
  deadline: number
  cause: { reason: unknown } | undefined
  closed: boolean
  heard: Heard[]
}

interface Heard {
  node: Node
  live: boolean
  calls: unknown[]
  dispose(): void
}

const pick = fc.nat(1_000)
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('source' as const),
      of: fc.array(pick, { maxLength: 3 }),
      timeout: fc.constantFrom(Infinity, Infinity, 2, 5, 9),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('any' as const),
      of: fc.array(pick, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('listen' as const), of: pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('dispose' as const), of: pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), of: pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), of: pick }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('after' as const),
      of: pick,
      timeout: fc.constantFrom(Infinity, 1, 4, 8),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(4) }) },
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

class Model {
  readonly nodes: Node[] = []
  readonly heard: Heard[] = []
  readonly log: Heard[] = []

  add(token: CancellationToken, source: Node['source'], parents: Node[], deadline: number): void {
    const node: Node = {
      token,
      source,
      // What is derived from something derived hangs on the sources of that.
      parents: [...new Set(parents.flatMap((it) => (it.source || it.cause ? [it] : it.parents)))],
      children: [],
      deadline,
      cause: undefined,
      closed: false,
      heard: [],
    }
    for (const parent of node.parents) parent.children.push(node)
    this.nodes.push(node)
    const cancelled = parents.find(({ cause }) => cause)
    if (cancelled?.cause) this.mark(node, cancelled.cause)
  }

  mark(node: Node, cause: Node['cause']): void {
    if (node.cause || node.closed) return
    node.cause = cause
    for (const child of node.children) this.mark(child, cause)
  }

  /** The clock goes on by one millisecond. */
  tick(now: number): void {
    for (const node of this.nodes) {
      if (node.deadline <= now) this.mark(node, { reason: 'timeout' })
    }
  }

  deadline(node: Node): number {
    if (node.cause || node.closed) return node.closed ? Infinity : node.deadline
    return Math.min(node.deadline, ...node.parents.map((parent) => this.deadline(parent)))
  }

  canBeCancelled(node: Node): boolean {
    if (node.cause) return true
    if (node.closed) return false
    return !!node.source || node.parents.some((parent) => this.canBeCancelled(parent))
  }

  listening(node: Node): boolean {
    if (node.cause || node.closed) return false
    return (
      node.heard.some(({ live }) => live) || node.children.some((child) => this.listening(child))
    )
  }

  isAncestor(node: Node, of: Node): boolean {
    if (of.closed) return false // and passes nothing on
    return of.parents.some((parent) => parent === node || this.isAncestor(node, parent))
  }
}

function run(steps: Step[], look: 'always' | 'at the end'): void {
  vi.clearAllTimers() // of a run that failed
  const model = new Model()
  const { nodes, heard } = model
  const root = new CancellationTokenSource()
  model.add(root.token, root, [], Infinity)
  const at = <T>(list: T[], index: number) => list[index % list.length] as T

  const compare = () => {
    for (const node of nodes) {
      const { token, cause } = node
      expect(token.cancelled).toBe(!!cause)
      expect(token.canBeCancelled).toBe(model.canBeCancelled(node))
      if (!cause) {
        expect([token.reason, token.error]).toEqual([undefined, undefined])
        expect(token.deadline).toBe(model.deadline(node))
      } else if (cause.reason === 'timeout') expect(token.reason).toBeInstanceOf(TimeoutError)
      else expect(token.reason).toBe(cause.reason)
    }
  }
  const idle = () => {
    for (const node of nodes) {
      if (model.listening(node)) expect(hooksOf(node.token)).toBeGreaterThan(0)
      // Whoever listens to a child of a closed one is known to that one, which knows nobody itself.
      else if (node.closed) expect(linksOf(node.token)).toBe(0)
      else expect([hooksOf(node.token), linksOf(node.token)]).toEqual([0, 0])
    }
    if (!nodes.some((node) => model.listening(node))) expect(vi.getTimerCount()).toBe(0)
  }
  const told = () => {
    for (const { node, live, calls } of heard) {
      // Each live one of a cancelled token was called, once, with its reason.
      if (!node.cause || node.closed) expect(calls).toEqual([])
      else if (live) expect(calls).toEqual([node.token.reason])
      else expect(calls.length).toBeLessThan(2)
    }
  }

  for (const each of steps) {
    const now = performance.now()
    const before = model.log.length
    if (each.do === 'source') {
      const parents = each.of.map((i) => at(nodes, i))
      const source = new CancellationTokenSource({
        signal: parents.map(({ token }) => token),
        timeout: each.timeout,
      })
      model.add(source.token, source, parents, now + each.timeout)
    } else if (each.do === 'any') {
      const parents = each.of.map((i) => at(nodes, i))
      const token = CancellationToken.any(...parents.map((parent) => parent.token))
      if (!nodes.some((node) => node.token === token) && token !== CancellationToken.none) {
        model.add(token, undefined, parents, Infinity)
      }
    } else if (each.do === 'listen') {
      const node = at(nodes, each.of)
      const one: Heard = { node, live: true, calls: [], dispose: () => registration.dispose() }
      const registration = node.token.onCancelled((reason, state) => {
        // Nobody sees half of it.
        for (const other of nodes) {
          if (model.isAncestor(node, other) && !other.closed)
            expect(other.token.cancelled).toBe(true)
        }
        state.calls.push(reason)
        model.log.push(state)
      }, one)
      heard.push(one)
      node.heard.push(one)
      if (!node.cause && !model.canBeCancelled(node)) one.live = false
    } else if (each.do === 'dispose') {
      const one = heard.length ? at(heard, each.of) : undefined
      one?.dispose()
      if (one && !one.calls.length) one.live = false
    } else if (each.do === 'cancel') {
      const node = at(nodes, each.of)
      if (!node.source) continue
      const reason = new Error('cancelled')
      expect(node.source.cancel(reason)).toBe(!node.cause && !node.closed)
      model.mark(node, { reason })
    } else if (each.do === 'close') {
      const node = at(nodes, each.of)
      node.source?.close()
      if (node.source && !node.cause) {
        node.closed = true
        node.deadline = Infinity
        for (const one of node.heard) one.live = false
      }
    } else if (each.do === 'after') {
      const node = at(nodes, each.of)
      node.source?.cancelAfter(each.timeout)
      if (node.source && !node.cause && !node.closed) node.deadline = now + each.timeout
    } else {
      for (let ms = 1; ms <= each.ms; ms++) model.tick(now + ms)
      vi.advanceTimersByTime(each.ms)
    }
    // Of what was called in this step: each source before what derives from it, each token's in order.
    const calls = model.log.slice(before)
    if (each.do !== 'advance') {
      for (const [i, one] of calls.entries()) {
        for (const later of calls.slice(i + 1)) {
          expect(model.isAncestor(later.node, one.node)).toBe(false)
          if (later.node === one.node) {
            expect(heard.indexOf(later)).toBeGreaterThan(heard.indexOf(one))
          }
        }
      }
    }
    if (look === 'always') {
      compare()
      idle()
      told()
    }
  }
  compare()
  told()
  for (const one of heard) one.dispose()
  for (const { token } of nodes) expect([hooksOf(token), linksOf(token)]).toEqual([0, 0])
  expect(vi.getTimerCount()).toBe(0)
}

it('a graph of tokens does what an eager one would do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => run(steps, 'always')),
    { numRuns: 1_500 },
  )
}, 30_000)

it('looking makes no difference', () => {
  fc.assert(
    fc.property(
      // A deadline that nobody has seen is forgotten by close.
      fc.array(
        step.filter((each) => each.do !== 'close'),
        { maxLength: 40 },
      ),
      (steps) => run(steps, 'at the end'),
    ),
    { numRuns: 1_500 },
  )
}, 30_000)
