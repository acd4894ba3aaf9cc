import { badValue, checkMilliseconds, type Milliseconds } from '@uno-async/core'
import { checkOptions } from './internal/check.js'
import type { TaskNode } from './types.js'

/** How to show a tree. */
export interface DumpOptions {
  /** Default `text`. */
  format?: 'text' | 'json' | 'mermaid' | undefined
  /** Only tasks of at least that age in milliseconds, with what they are in. */
  olderThan?: Milliseconds | undefined
}

/** Writes a tree for people or programs. */
export function dump(tree: TaskNode, options?: DumpOptions): string {
  const { format = 'text', olderThan = 0 } = checkOptions(options)
  const root = prune(tree, checkMilliseconds('olderThan', olderThan)) ?? { ...tree, children: [] }
  if (format === 'json') return JSON.stringify(root, null, 2)
  const lines: string[] = []
  if (format === 'mermaid') {
    lines.push('graph LR')
    draw(root, lines, undefined)
  } else if (format === 'text') {
    lines.push(describe(root))
    indent(root, lines, '')
  } else throw badValue('format', "'text', 'json' or 'mermaid'", format, TypeError)
  return lines.join('\n')
}

/** Without young tasks, and without what has no other. */
function prune(node: TaskNode, olderThan: Milliseconds): TaskNode | undefined {
  if (!olderThan) return node
  const children = node.children.flatMap((child) => prune(child, olderThan) ?? [])
  const keep = children.length || (node.kind === 'task' && node.age >= olderThan)
  return keep ? { ...node, children } : undefined
}

function describe({ name, kind, state, age }: TaskNode): string {
  return `${kind} ${JSON.stringify(name)} ${state} ${spell(age)}`
}

/** 0.3 ms, 12 ms, 1.5 s, 3 min 20 s, 5 h 2 min */
function spell(age: Milliseconds): string {
  if (age < 1_000) return `${age < 10 ? Math.round(age * 10) / 10 : Math.round(age)} ms`
  const seconds = Math.floor(age / 1_000)
  if (seconds < 60) return `${Math.floor(age / 100) / 10} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function indent({ children }: TaskNode, lines: string[], margin: string): void {
  for (const [index, child] of children.entries()) {
    const end = index === children.length - 1
    lines.push(`${margin}${end ? '└─ ' : '├─ '}${describe(child)}`)
    indent(child, lines, `${margin}${end ? '   ' : '│  '}`)
  }
}

function draw(node: TaskNode, lines: string[], parent: string | undefined): void {
  const id = `n${lines.length}`
  // in a quoted label only these have a meaning
  const name = node.name.replace(/[^\w .:/-]/g, (char) => `#${char.codePointAt(0)};`)
  const label = `${id}["${node.kind} ${name}<br/>${node.state} ${spell(node.age)}"]`
  lines.push(`  ${parent ? `${parent} --> ` : ''}${label}`)
  for (const child of node.children) draw(child, lines, id)
}
