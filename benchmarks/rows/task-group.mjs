import { TaskGroup } from '@uno-async/tasks'
import { Effect, Fiber } from 'effect'
import { call, run as runEffection, spawn } from 'effection'

const size = 10
const job = async () => 1
const ten = Array.from({ length: size })

export const name = 'A group of 10 tasks: spawn and join, for each task'
export const unit = 'ns'
export const goal = { effect: 20, effection: 50, 'bare promises': 0.5 }
export const note = 'a task is an object with a name, a place in the tree and a handler for its end'
export const subjects = {
  TaskGroup: async () => ({
    async run(n) {
      for (let i = 0; i < n; i += size) {
        await TaskGroup.run((group) => {
          for (let j = 0; j < size; j++) void group.createTask(job)
        })
      }
    },
  }),
  'bare promises': async () => ({
    async run(n) {
      for (let i = 0; i < n; i += size) await Promise.all(ten.map(job))
    },
  }),
  effect: async () => {
    const program = Effect.gen(function* () {
      const fibers = []
      for (let j = 0; j < size; j++) fibers.push(yield* Effect.forkChild(Effect.promise(job)))
      for (const fiber of fibers) yield* Fiber.join(fiber)
    })
    return {
      async run(n) {
        for (let i = 0; i < n; i += size) await Effect.runPromise(program)
      },
    }
  },
  effection: async () => ({
    async run(n) {
      for (let i = 0; i < n; i += size) {
        await runEffection(function* () {
          const tasks = []
          for (let j = 0; j < size; j++) {
            tasks.push(yield* spawn(() => call(job)))
          }
          for (const task of tasks) yield* task
        })
      }
    },
  }),
}
