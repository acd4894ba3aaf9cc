/**
 * Locks, semaphores, events, limiters and timeouts that can be cancelled.
 *
 * @packageDocumentation
 */
export {}
