import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { delay } from '@uno-async/core'
import { Limiter } from '@uno-async/sync'
import { runTasks } from '@uno-async/tasks'
import { glob } from 'tinyglobby'
import type { Tool } from './agent.js'
import { shell } from './process.js'

/** The tools of an agent that works in a folder, with an HTTP server at hand. */
export function makeTools(folder: string, server: string): Map<string, Tool> {
  const processes = new Limiter(2, { name: 'processes' })
  return new Map<string, Tool>([
    ['search', (text, { signal }) => search(folder, text, signal)],
    [
      'http',
      async (path, { signal }) => {
        const response = await fetch(new URL(path, server), { signal })
        if (!response.ok) throw new Error(`HTTP ${response.status}`)
        return response.text()
      },
    ],
    ['shell', (command, signal) => processes.run((token) => shell(command, token), { signal })],
    [
      // Waits for somebody to make a file, and was written without a thought of being stopped.
      'approve',
      async (name) => {
        for (;;) {
          try {
            return await readFile(join(folder, `${name}.approved`), 'utf8')
          } catch {
            await delay(50)
          }
        }
      },
    ],
  ])
}

/** The lines of the folder's pages and sources that contain a text. */
async function search(folder: string, text: string, signal: AbortSignal): Promise<string> {
  const files = await glob('**/*.{md,ts,txt}', {
    cwd: folder,
    ignore: ['**/{node_modules,dist,temp,coverage}/**'],
    signal,
  })
  const found = await runTasks(
    files.sort(),
    async (file, { signal }) => {
      const lines = (await readFile(join(folder, file), { encoding: 'utf8', signal })).split('\n')
      return lines.flatMap((line, i) => (line.includes(text) ? `${file}:${i + 1}: ${line}` : []))
    },
    { name: 'search', signal, concurrency: 8 },
  )
  return found.flat().join('\n')
}
