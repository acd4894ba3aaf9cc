import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CancelledFilter } from './cancelled.filter.js'
import { PricesController } from './prices.controller.js'
import { PricesService } from './prices.service.js'
import { Upstream } from './upstream.js'

@Module({ controllers: [PricesController], providers: [PricesService, Upstream] })
class AppModule {}

const app = await NestFactory.create(AppModule, {
  logger: ['error', 'warn'],
  forceCloseConnections: true,
})
app.useGlobalFilters(new CancelledFilter())
app.enableShutdownHooks()
await app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')
console.log(`listening on ${await app.getUrl()}`)
