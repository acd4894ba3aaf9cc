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
  /** Of a record of tasks. */
  readonly keys?: readonly string[] | undefined
  /** What a task is called, if it has a name of its own. */
  nameOf?(index: number): string
}

const call: Worker = (task: (token: CancellationToken) => unknown, token) => task(token)

/** Items and what to do with each, functions, or a record of functions. @throws TypeError */
export function jobOf(input: unknown, second: unknown, third: unknown): Job {
  if (typeof second === 'function' || isIterable(input) !== Array.isArray(input)) {
    return mapOf(input, second, third)
  }
  if (!Array.isArray(input) && !isRecord(input)) {
    throw badValue('tasks', 'an array or a record of functions', input, TypeError)
  }
  const keys = Array.isArray(input) ? undefined : Object.keys(input)
  const items: TaskFunction<unknown>[] = keys ? Object.values(input) : (input as [])
  for (const [at, task] of items.entries()) checkFunction(`tasks[${keys?.[at] ?? at}]`, task)
  return {
    items,
    run: call,
    options: checkOptions(second as object | undefined),
    keys,
    nameOf: (index) => keys?.[index] ?? nameOf(items[index] as TaskFunction<unknown>),
  }
}

/** Items and what to do with each. @throws TypeError */
export function mapOf(items: unknown, run: unknown, options: unknown): Job {
  checkFunction('run', run)
  if (!isIterable(items))
    throw badValue('items', 'an iterable or an async iterable', items, TypeError)
  return { items, run: run as Worker, options: checkOptions(options as object | undefined) }
}

/** A plain object, also of another realm. */
function isRecord(value: unknown): value is Record<string, TaskFunction<unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function isIterable(value: unknown): value is Items {
  const it = value as (Iterable<unknown> & AsyncIterable<unknown>) | null | undefined
  return typeof (it?.[Symbol.asyncIterator] ?? it?.[Symbol.iterator]) === 'function'
}
