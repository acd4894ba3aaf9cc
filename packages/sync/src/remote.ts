/**
 * Locks that other processes see: backends for a KeyedLock, each over a client of the user's own.
 *
 * @packageDocumentation
 */

export { LeaseLostError } from './lease-lost-error.js'
export type { LockBackend, RemoteLease } from './lock-backend.js'
export type { PostgresConnection, PostgresPool } from './postgres-locks.js'
export { postgresLocks } from './postgres-locks.js'
export type { RedisClient, RedisLocksOptions } from './redis-locks.js'
export { redisLocks } from './redis-locks.js'
