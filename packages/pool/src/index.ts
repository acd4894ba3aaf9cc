/**
 * Shares resources that are costly to open, without losing or leaking one.
 *
 * @packageDocumentation
 */

export { AcquireTimeoutError, type Holder, ReleasedError } from './errors.js'
export { AsyncResourcePool } from './pool.js'
// node:async_hooks has an AsyncResource too
export { AsyncResource, AsyncResource as Resource, type ResourceState } from './resource.js'
export type {
  CreateContext,
  DestroyReason,
  PoolCloseResult,
  PoolEvent,
  PoolLeak,
  PoolLease,
  PoolOptions,
  PoolRunOptions,
  PoolStats,
} from './types.js'
