/**
 * Shows who holds what for how long, warns of what takes too long and of what waits in a circle.
 *
 * @packageDocumentation
 */

export type { PrimitiveWarning, WatchedPrimitives, WatchOptions } from './watch-primitives.js'
export { watchPrimitives } from './watch-primitives.js'
