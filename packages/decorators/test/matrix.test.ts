import { createRequire } from 'node:module'
import { transformSync as babel } from '@babel/core'
import { transformSync as swc } from '@swc/core'
import { CancellationToken, CancellationTokenSource } from '@uno-async/core'
import {
  type AsyncDecorator,
  cancellable,
  compose,
  concurrentLimited,
  rateLimited,
  retry,
  timeoutHandler,
} from '@uno-async/decorators'
import { transformSync as esbuild } from 'esbuild'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const require = createRequire(import.meta.url)

// What the compilers get. `d` is the decorator, `flaky` fails when asked to; each returns the token it saw, whose `this`
// it had and what it was given.
const members = `
  @d async method(a, b) { return flaky(() => seen(this, a, b)) }
  @d static async fixed(a, b) { return flaky(() => seen(this, a, b)) }
  @d async inherited(a, b) { return flaky(() => seen(this, a, b)) }
`
const computed = '@d async [symbol](a, b) { return flaky(() => seen(this, a, b)) }'
const standard = `
  @d async #hidden(a, b) { return flaky(() => seen(this, a, b)) }
  hidden(...args) { return this.#hidden(...args) }
  @d static async #own(a, b) { return flaky(() => seen(this, a, b)) }
  static own(...args) { return this.#own(...args) }
  @d arrow = async (a, b) => flaky(() => seen(this, a, b))
`
const source = (more: string) => `
export function fixture(d, seen, flaky, symbol) {
  class Base {${members}${more}}
  class Derived extends Base {
    @d async inherited(a, b) { return super.inherited(a, b) }
  }
  return { Base, Derived, fn: d(async function fn(a, b) { return flaky(() => seen(undefined, a, b)) }) }
}`

const viaTs = (experimentalDecorators: boolean) => (code: string) =>
  ts.transpileModule(code, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      experimentalDecorators,
      useDefineForClassFields: !experimentalDecorators,
    },
  }).outputText
const viaEsbuild = (experimentalDecorators: boolean) => (code: string) =>
  esbuild(code, {
    loader: 'ts',
    target: 'es2022',
    tsconfigRaw: { compilerOptions: { experimentalDecorators } },
  }).code
const viaSwc = (transform: object) => (code: string) =>
  swc(code, {
    swcrc: false,
    configFile: false,
    jsc: { target: 'es2022', parser: { syntax: 'typescript', decorators: true }, transform },
  }).code
const viaBabel = (options: object) => (code: string) =>
  babel(code, {
    babelrc: false,
    configFile: false,
    plugins: [[require.resolve('@babel/plugin-proposal-decorators'), options]],
  })?.code ?? ''

const compilers: [string, 'standard' | 'legacy', (code: string) => string][] = [
  ['TypeScript', 'standard', viaTs(false)],
  ['TypeScript', 'legacy', viaTs(true)],
  ['esbuild', 'standard', viaEsbuild(false)],
  ['esbuild', 'legacy', viaEsbuild(true)],
  ['SWC 2022-03', 'standard', viaSwc({ decoratorVersion: '2022-03' })],
  ['SWC 2023-11', 'standard', viaSwc({ decoratorVersion: '2023-11' })],
  ['SWC', 'legacy', viaSwc({ legacyDecorator: true, decoratorMetadata: true })],
  ['Babel 2023-11', 'standard', viaBabel({ version: '2023-11' })],
  ['Babel', 'legacy', viaBabel({ version: 'legacy' })],
]

const decorators: Record<string, () => AsyncDecorator> = {
  'cancellable, bare': () => cancellable,
  'cancellable()': () => cancellable({ mode: 'cooperative' }),
  timeoutHandler: () => timeoutHandler(60_000),
  retry: () => retry({ baseDelay: 0 }),
  rateLimited: () => rateLimited({ limit: 100 }),
  concurrentLimited: () => concurrentLimited(1),
  compose: () => compose(timeoutHandler(60_000), retry({ baseDelay: 0 }), concurrentLimited(1)),
}

interface Seen {
  readonly self: unknown
  readonly args: readonly unknown[]
  readonly token: CancellationToken
}
type Member = (...args: unknown[]) => Promise<Seen>
type Fixture = (
  d: AsyncDecorator,
  seen: (self: unknown, ...args: unknown[]) => Seen,
  flaky: (fn: () => Seen) => Seen,
  symbol: symbol,
) => Record<
  'Base' | 'Derived',
  Record<string, Member> & { new (): Record<PropertyKey, Member> }
> & {
  fn: Member
}

const detached = (member: Member) => member(1, 2)

const load = (code: string): Fixture =>
  new Function(
    `${code.replace(/^export /gm, '').replace(/^\{ fixture \};$/m, '')}\nreturn fixture`,
  )()

describe.each(compilers)('%s, %s decorators', (compiler, kind, compile) => {
  const isComputed = compiler !== 'Babel' // whose legacy form refuses computed names
  const more = [isComputed ? computed : '', kind === 'standard' ? standard : '']
  const fixture = load(compile(source(more.join('\n'))))

  it.each(Object.entries(decorators))('%s', async (name, make) => {
    const symbol = Symbol('symbol')
    const retries = /retry|compose/.test(name)
    let runs = 0
    const { Base, Derived, fn } = fixture(
      make(),
      (self, ...args) => ({ self, args, token: CancellationToken.current }),
      (run) => {
        if (++runs === 1 && retries) throw new Error('not yet')
        return run()
      },
      symbol,
    )
    const base = new Base()
    const derived = new Derived()
    const calls: [string, unknown, () => Promise<Seen>][] = [
      ['fn', undefined, () => fn(1, 2)],
      ['method', base, () => (base['method'] as Member)(1, 2)],
      ['static', Base, () => (Base['fixed'] as Member)(1, 2)],
      ['inherited method', derived, () => (derived['method'] as Member)(1, 2)],
      ['override with super', derived, () => (derived['inherited'] as Member)(1, 2)],
    ]
    if (isComputed) calls.push(['symbol', base, () => (base[symbol] as Member)(1, 2)])
    if (kind === 'standard') {
      calls.push(
        ['#private', base, () => (base['hidden'] as Member)(1, 2)],
        ['static #private', Base, () => (Base['own'] as Member)(1, 2)],
        ['arrow field', base, () => (base['arrow'] as Member)(1, 2)],
        ['arrow field, detached', base, () => detached(base['arrow'] as Member)],
      )
    }
    for (const [form, self, call] of calls) {
      const source = new CancellationTokenSource()
      runs = 0
      const seen = await source.token.run(call)
      expect(seen.self, form).toBe(self)
      expect(seen.args, form).toEqual([1, 2])
      expect(runs, form).toBe(retries ? 2 : 1)

      source.cancel('stop')
      await expect(source.token.run(call), form).rejects.toMatchObject({ cause: 'stop' })
      expect(runs, `${form}: not called when cancelled before`).toBe(retries ? 2 : 1)
      // A token that was closed after a success stays uncancelled.
      if (!/timeout|compose/.test(name)) expect(seen.token, form).toBe(source.token)
      else expect(seen.token.cancelled, form).toBe(false)
    }
    expect([fn.name, fn.length]).toEqual(['fn', 2])
    const method = Object.getOwnPropertyDescriptor(Base.prototype, 'method')
    expect(method).toMatchObject({ enumerable: false, writable: true, configurable: true })
    expect([method?.value.name, method?.value.length]).toEqual(['method', 2])
  })
})

it('refuses an arrow field under legacy decorators, where there is nothing to replace', () => {
  const code = 'export function fixture(d) { class A { @d arrow = async () => 1 } return A }'
  for (const compile of [viaTs(true), viaEsbuild(true), viaBabel({ version: 'legacy' })]) {
    expect(() => (load(compile(code)) as (d: AsyncDecorator) => unknown)(retry())).toThrow(
      'Cannot decorate `arrow`: a field is no function that returns a promise',
    )
  }
})
