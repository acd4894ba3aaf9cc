import { badValue, type CancellationToken, checkFunction } from '@uno-async/core'
import type { RunTasksOptions, TaskFunction } from '../types.js'
import { checkOptions, nameOf } from './check.js'

type Items = Iterable<unknown> | AsyncIterable<unknown>
type Worker = (item: never, token: CancellationToken, index: number) => unknown

/** What was asked for, in whichever of the three shapes. */
export interface Job {
  readonly items: Items
  readonly run: Worker
  readonly options: RunTasksOptions
  /** What the tasks are called, where they have names of their own. */
  readonly names?: readonly string[]
  /** The tasks came in a record. */
  readonly keyed?: boolean
}

const call: Worker = (task: (token: CancellationToken) => unknown, token) => task(token)

/** Items and what to do with each, functions, or a record of functions. @throws TypeError */
export function jobOf(input: unknown, second: unknown, third: unknown): Job {
  if (typeof second === 'function' || isIterable(input) !== Array.isArray(input)) {
    return mapOf(input, second, third)
  }
  const keyed = !Array.isArray(input)
  if (keyed && !isRecord(input))
    throw badValue('tasks', 'an array or a record of functions', input, TypeError)
  const keys = Object.keys(input as object)
  const items: unknown[] = keyed ? Object.values(input as object) : (input as unknown[])
  const names = Array.from(items, (task, index) => {
    const key = keyed ? (keys[index] as string) : index
    const run = checkFunction(`tasks[${key}]`, task) as TaskFunction<unknown>
    return keyed ? `${key}` : nameOf(run) || `task-${index}`
  })
  return { items, run: call, options: optionsOf(second), names, keyed }
}

/** Items and what to do with each. @throws TypeError */
export function mapOf(items: unknown, run: unknown, options: unknown): Job {
  checkFunction('run', run)
  if (!isIterable(items))
    throw badValue('items', 'an iterable or an async iterable', items, TypeError)
  return { items, run: run as Worker, options: optionsOf(options) }
}

const optionsOf = (options: unknown = {}): RunTasksOptions => checkOptions(options as object)

/** A plain object, also of another realm. */
function isRecord(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function isIterable(value: unknown): value is Items {
  const it = value as (Iterable<unknown> & AsyncIterable<unknown>) | null | undefined
  return typeof (it?.[Symbol.asyncIterator] ?? it?.[Symbol.iterator]) === 'function'
}
