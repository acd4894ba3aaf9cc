// Uses every export of every package, and needs nothing of its host but what they need: runs wherever there are modules.
// A check gets the exports of its entry; one that an export does not have, or that does not use its own, is a failure.
import cache from './cache.mjs'
import context from './context.mjs'
import core from './core.mjs'
import decorators from './decorators.mjs'
import lifecycle from './lifecycle.mjs'
import pool from './pool.mjs'
import sync from './sync.mjs'
import tasks from './tasks.mjs'

/** Specifier, what it exports, a check for each export. @public */
export const entries = [core, sync, tasks, context, decorators, cache, pool, lifecycle].flat()

/** @param {(line: string) => void} print - told of each failure, and of the sum in the end */
export async function smoke(print) {
  let passed = 0
  let failed = 0
  for (const { specifier, exports, checks } of entries) {
    const names = new Set([...Object.keys(checks), ...Object.keys(exports)])
    for (const name of names) {
      try {
        await verify(name, exports, checks[name])
        passed++
      } catch (error) {
        failed++
        print(`✗ ${specifier} ${name}: ${error?.stack ?? error}`)
      }
    }
  }
  print(`${passed} passed, ${failed} failed`)
  return failed === 0
}

async function verify(name, exports, check) {
  if (!check) throw new Error('nothing checks it')
  if (!(name in exports)) throw new Error('it is not exported')
  let used = false
  const watched = new Proxy(exports, {
    get(all, key) {
      used ||= key === name
      return all[key]
    },
  })
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('took over 10 s')), 10_000)
  })
  try {
    await Promise.race([check(watched), late])
  } finally {
    clearTimeout(timer)
  }
  if (!used) throw new Error('its check does not use it')
}
