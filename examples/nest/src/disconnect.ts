import type { IncomingMessage, ServerResponse } from 'node:http'
import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import { type CancellationToken, CancellationTokenSource } from '@uno-async/core'

/**
 * A parameter of a handler: a token that is cancelled when the client goes away before it was answered. Name its place with
 * `signalArgument`, and everything that the handler calls before its first `await` sees it as `CancellationToken.current`.
 */
export const Disconnect: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): CancellationToken => {
    const http = context.switchToHttp()
    const request = http.getRequest<IncomingMessage>()
    const response = http.getResponse<ServerResponse>()
    const source = new CancellationTokenSource({ name: `${request.method} ${request.url}` })
    response.once('close', () => {
      if (!response.writableFinished) source.cancel()
      source.close()
    })
    return source.token
  },
)
