/**
 * Async context managers: enter, exit, and clean up in order, whatever happens.
 *
 * @packageDocumentation
 */

export type {
  AsyncContextManager,
  ContextOptions,
  EnteredContext,
  ExitInfo,
  ExitResult,
} from './contracts.js'
export { SUPPRESS } from './contracts.js'
export { ContextProtocolError, collectErrors } from './errors.js'
export { AsyncExitStack } from './exit-stack.js'
export { asyncContextManager } from './generator.js'
export type { ContextGroupOptions, ContextManagers, ContextValues } from './group.js'
export { AsyncContextGroup } from './group.js'
export { enterContext, withContext } from './with-context.js'
