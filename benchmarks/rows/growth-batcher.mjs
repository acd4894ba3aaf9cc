import { AsyncBatcher } from '@uno-async/cache'
import { growth } from '../growth.mjs'

export const { name, unit, n, goal, subjects } = growth(
  'A batcher as more is added at once: an add',
  'adds',
  () => {
    const batcher = new AsyncBatcher(async (ids) => ids)
    return (size) => Promise.all(Array.from({ length: size }, (_, i) => batcher.add(i)))
  },
)
