import { Injectable } from '@nestjs/common'
import { CancellationToken } from '@uno-async/core'
import { concurrentLimited, retry, timeoutHandler } from '@uno-async/decorators'
import { Upstream } from './upstream.js'

@Injectable()
export class PricesService {
  readonly #upstream: Upstream

  constructor(upstream: Upstream) {
    this.#upstream = upstream
  }

  @retry({ maxAttempts: 3, baseDelay: 10 })
  @concurrentLimited({ limit: 2, maxWaiting: 50 })
  @timeoutHandler(5_000)
  async priceOf(id: string): Promise<number> {
    return this.#upstream.fetch(id, CancellationToken.current)
  }
}
