import { AsyncManager, type ResourceSpec } from '@uno-async/lifecycle'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const plan = fc.array(
  fc.record({
    startFails: fc.integer({ min: 0, max: 9 }),
    stopFails: fc.boolean(),
    needs: fc.array(fc.nat(5), { maxLength: 2 }),
  }),
  {
    minLength: 1,
    maxLength: 6,
  },
)

it('stops once what it started, after all that depend on it, whenever it is told to', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plan, fc.boolean(), async (s, steps, early) => {
      const up = new Set<string>()
      const stopped: string[] = []
      const manager = new AsyncManager({ shutdownTimeout: Infinity })
      const specs = steps.map(
        ({ startFails, stopFails, needs }, i): ResourceSpec<void> => ({
          name: `${i}`,
          dependsOn: [...new Set(needs)].filter((j) => j < i).map(String),
          async start() {
            for (const each of this.dependsOn ?? []) expect(up.has(each)).toBe(true)
            await s.schedule(Promise.resolve(), `start ${i}`)
            if (!startFails) throw new Error(`start ${i}`)
            up.add(`${i}`)
          },
          async stop() {
            for (const other of specs) {
              if (other.dependsOn?.includes(`${i}`)) expect(up.has(other.name)).toBe(false)
            }
            await s.schedule(Promise.resolve(), `stop ${i}`)
            expect(up.delete(`${i}`)).toBe(true)
            stopped.push(`${i}`)
            if (stopFails) throw new Error(`stop ${i}`)
          },
        }),
      )
      for (const spec of [...specs].reverse()) manager.registerResource(spec)
      const started = manager.start().then(
        () => true,
        () => false,
      )
      if (early) void s.schedule(Promise.resolve(), 'shutdown').then(() => manager.shutdown())
      const good = await s.waitFor(started)
      if (good) expect(up.size + stopped.length).toBe(steps.length)
      const report = await s.waitFor(manager.shutdown())
      expect(up.size).toBe(0)
      expect(new Set(stopped).size).toBe(stopped.length)
      for (const error of report.errors) expect(String(error)).toMatch(/^Error: st(art|op) \d$/)
      expect(report.code).toBe(report.errors.length ? 1 : 0)
    }),
    { numRuns: 1_000 },
  )
})
