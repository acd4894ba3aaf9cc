import { badValue, checkFunction, checkMilliseconds, checkOptions } from '@uno-async/core'
import { type ClosableServer, closeServer } from '../close-server.js'
import type {
  ResourceHandle,
  ResourceOptions,
  ResourceSpec,
  ResourceState,
  StopContext,
} from '../contracts.js'
import { LifecycleError } from '../errors.js'
import { checkGiven, checkString } from './check.js'
import { noop } from './limited.js'

/** Something registered: its description, and where it is in its life. */
export class Resource {
  readonly name: string
  readonly dependsOn: readonly string[]
  readonly spec: ResourceSpec<unknown>
  readonly handle: ResourceHandle<unknown>
  readonly ready: Promise<unknown>
  resolve!: (value: unknown) => void
  reject!: (error: unknown) => void
  state: ResourceState = 'registered'
  since: number = performance.now()
  value: unknown = undefined // once it is started
  starting: Promise<void> | undefined = undefined

  constructor(
    spec: ResourceSpec<unknown>,
    name: unknown = spec.name,
    dependsOn: unknown = spec.dependsOn ?? [],
  ) {
    checkString('name', name)
    if (!Array.isArray(dependsOn) || dependsOn.some((each) => typeof each !== 'string')) {
      throw badValue('dependsOn', 'a list of names', dependsOn, TypeError)
    }
    this.spec = spec
    this.name = name
    this.dependsOn = [...dependsOn]
    this.ready = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.ready.catch(noop)
    this.handle = new Handle(this)
  }
}

class Handle implements ResourceHandle<unknown> {
  readonly #resource: Resource

  constructor(resource: Resource) {
    this.#resource = resource
  }

  get name(): string {
    return this.#resource.name
  }

  get state(): ResourceState {
    return this.#resource.state
  }

  get ready(): Promise<unknown> {
    return this.#resource.ready
  }

  get value(): unknown {
    const { name, state, value } = this.#resource
    if (state === 'started' || state === 'stopping') return value
    throw new LifecycleError(`Resource "${name}" is ${state}: it has no value`)
  }
}

/** The resource of what was given: a description, or something already open. @throws TypeError, RangeError */
export function resourceOf(given: unknown, options: ResourceOptions, number: number): Resource {
  checkOptions(options)
  const spec = given as ResourceSpec<unknown> | null | undefined
  if (typeof spec?.start === 'function' && typeof spec.name === 'string') {
    checkGiven(spec, checkFunction, 'drain', 'stop', 'flush', 'check')
    checkGiven(spec, checkMilliseconds, 'startTimeout', 'drainTimeout', 'stopTimeout')
    return new Resource(spec, options.name, options.dependsOn)
  }
  const server = given as ClosableServer | null | undefined
  const end =
    typeof server?.closeIdleConnections === 'function'
      ? { drain: (_: unknown, { token }: StopContext) => closeServer(server, { signal: token }) }
      : { stop: closerOf(given) }
  const { name = `resource ${number}` } = options
  const resource = new Resource({ name, start: () => given, ...end }, name, options.dependsOn)
  resource.state = 'started'
  resource.value = given
  resource.resolve(given)
  resource.starting = Promise.resolve()
  return resource
}

function closerOf(given: unknown): () => unknown {
  const it = given as Record<PropertyKey, unknown> | null | undefined
  for (const key of [Symbol.asyncDispose, Symbol.dispose, 'close'] as PropertyKey[]) {
    const method = key === undefined ? undefined : it?.[key]
    if (typeof method === 'function') return () => method.call(it)
  }
  throw badValue(
    'resource',
    'a description with `name` and `start`, or something with `close()` or a dispose method',
    given,
    TypeError,
  )
}
