import { Catch, type ExceptionFilter } from '@nestjs/common'
import { CancelledError } from '@uno-async/core'

/** Nobody is there to be answered any more, and nothing went wrong: no response, no line in the log. */
@Catch(CancelledError)
export class CancelledFilter implements ExceptionFilter {
  catch(): void {}
}
