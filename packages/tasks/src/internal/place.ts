import { currentFrame, type Frame, type Values, valueIn, withValue } from '@uno-async/core'
import type { TaskGroup } from '../group.js'
import type { TaskEvent, TaskInfo } from '../types.js'

export type Observer = (type: TaskEvent['type'], task: TaskInfo) => void

/** Where code runs: in a task, or in the body of a group. */
export interface Place {
  /** Its part of a path, if it has one. */
  readonly label: string | undefined
  /** A task is in a group; a group is where it was made. */
  readonly outer: Place | undefined
  /** Only of a task. */
  readonly info?: TaskInfo
  /** Told what happens to tasks here and below. */
  readonly observer: Observer | undefined
  /** Groups that were made here and have not ended. */
  groups: Set<TaskGroup> | undefined
}

interface Slot {
  readonly paths: WeakMap<object, readonly string[]>
  manager: unknown | undefined
}

// The version is part of the key: copies of this package that agree on Slot share one.
const KEY = Symbol.for('@uno-async/tasks.1')
let known: Slot | undefined

export const slot = (): Slot => {
  const shared = globalThis as unknown as Record<symbol, Slot | undefined>
  return (known ??= shared[KEY] ??= { paths: new WeakMap(), manager: undefined })
}

/** Where code runs that has this frame: it is the frame, or a value in it where something else was put in force since. */
export function currentPlace(frame: Frame | undefined = currentFrame()): Place | undefined {
  return (frame && 'groups' in frame ? frame : valueIn(frame?.values, slot())?.value) as
    | Place
    | undefined
}

/** The values in force in a place that was made in `frame`. */
export const valuesIn = (place: Place, frame: Frame | undefined): Values =>
  withValue(frame?.values, slot(), place)

/** Are we in a task for which `test` holds? */
export function inTask(test: (task: Place) => boolean): boolean {
  for (let place = currentPlace(); place; place = place.outer) {
    if ('info' in place && test(place)) return true
  }
  return false
}

/** Notes where an error arose, unless that is known already. */
export function notePath(error: unknown, place: Place | undefined, names: string[] = []): void {
  const { paths } = slot()
  if (Object(error) !== error || paths.has(error as object)) return
  for (let each = place; each; each = each.outer) {
    if (each.label !== undefined) names.unshift(each.label)
  }
  paths.set(error as object, names)
}
