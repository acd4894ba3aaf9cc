import { AsyncManager } from '@uno-async/lifecycle'

const pause = () => new Promise((resolve) => setTimeout(resolve, 100))

/** 20 resources in chains of `depth`, each of which takes 100 ms to start and to stop. */
const chains = (depth) => async () => ({
  async run() {
    const manager = new AsyncManager()
    for (let i = 0; i < 20; i++) {
      const dependsOn = i % depth ? [`${i - 1}`] : []
      manager.registerResource({ name: `${i}`, dependsOn, start: pause, stop: pause })
    }
    const before = performance.now()
    await manager.start()
    await manager.shutdown()
    return performance.now() - before
  },
})

export const name = 'Start and stop 20 resources of 100 ms, by how deep they depend on each other'
export const unit = 'ms'
export const subjects = Object.fromEntries(
  [1, 2, 5, 10, 20].map((depth) => [`depth ${depth}, at best ${depth * 200}`, chains(depth)]),
)
