import {
  Controller,
  GatewayTimeoutException,
  Get,
  HttpCode,
  Param,
  ParseIntPipe,
  Post,
} from '@nestjs/common'
import { CancellationToken } from '@uno-async/core'
import { cancellable, timeoutHandler } from '@uno-async/decorators'
import { Disconnect } from './disconnect.js'
import { PricesService } from './prices.service.js'
import { Upstream } from './upstream.js'

@Controller('prices')
export class PricesController {
  readonly #prices: PricesService
  readonly #upstream: Upstream

  constructor(prices: PricesService, upstream: Upstream) {
    this.#prices = prices
    this.#upstream = upstream
  }

  // Ours below Nest's …
  @Get('item/:id')
  @cancellable({ signalArgument: 1 })
  async item(
    @Param('id') id: string,
    @Disconnect() _token: CancellationToken,
  ): Promise<{ id: string; price: number }> {
    return { id, price: await this.#prices.priceOf(id) }
  }

  // … and above them: what Nest notes on the method comes along.
  @timeoutHandler({
    timeout: 500,
    signalArgument: 1,
    fallback: (error) => {
      throw new GatewayTimeoutException(error.message)
    },
  })
  @Post('quick/:times')
  @HttpCode(202)
  async quick(
    @Param('times', ParseIntPipe) times: number,
    @Disconnect() _token: CancellationToken,
  ): Promise<{ times: number; price: number }> {
    return { times, price: times * (await this.#prices.priceOf(times > 1 ? 'slow' : 'quick')) }
  }

  @Get('stats')
  stats(): Upstream['stats'] {
    return this.#upstream.stats
  }
}
