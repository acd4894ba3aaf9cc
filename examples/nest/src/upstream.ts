import { Injectable } from '@nestjs/common'
import { type CancellationToken, delay } from '@uno-async/core'

/** Stands in for a flaky service: the first call for each id fails, and every answer takes a while. */
@Injectable()
export class Upstream {
  readonly stats = { calls: 0, running: 0, most: 0, cancelled: 0 }
  readonly #known = new Set<string>()

  async fetch(id: string, token: CancellationToken): Promise<number> {
    const { stats } = this
    stats.calls++
    stats.most = Math.max(stats.most, ++stats.running)
    try {
      await delay(id.startsWith('slow') ? 10_000 : 20, { signal: token })
      if (!this.#known.has(id)) {
        this.#known.add(id)
        throw new Error(`upstream failed for ${id}`)
      }
      return id.length * 100
    } catch (error) {
      if (token.cancelled) stats.cancelled++
      throw error
    } finally {
      stats.running--
    }
  }
}
