import { readFile } from 'node:fs/promises'
import { delay } from '@uno-async/core'
import type { Model, Turn } from './agent.js'

export const example = '[{ "calls": ["tool input", …] }, …, { "answer": "…" }]'

/** A stand-in for a model: says what stands in a file, turn by turn, whatever the tools answer. */
export async function readScript(file: string | URL): Promise<Model> {
  const turns = parse(await readFile(file, 'utf8'))
  return async (_results, { signal }) => {
    await delay(20, { signal }) // it thinks
    return turns.shift() ?? { answer: 'That is all.' }
  }
}

function parse(text: string): Turn[] {
  try {
    const turns: { calls?: string[]; answer?: string }[] = JSON.parse(text)
    return turns.map(({ calls = [], ...turn }) => ({
      ...turn,
      calls: calls.map((call) => {
        const [tool = '', ...input] = call.split(' ')
        return { tool, input: input.join(' ') }
      }),
    }))
  } catch (cause) {
    throw new TypeError(`Expected a script like ${example}`, { cause })
  }
}
