import { LifecycleError } from '../errors.js'

/** What depends on what, by name. */
export interface Node {
  readonly name: string
  readonly dependsOn: readonly string[]
}

/**
 * Checks all, or only what is `fresh` and about to be added: what is there was checked, and may do without what was let go of.
 *
 * @throws LifecycleError for an unknown name or a cycle, with the path to it
 */
export function checkGraph(owner: string, nodes: ReadonlyMap<string, Node>, fresh?: Node): void {
  const good = new Map<string, boolean>() // false while it is on the path
  const path: { name: string; left: Iterator<string> }[] = [] // not recursion, which a long chain overflows
  const visit = (name: string): void => {
    if (good.get(name)) return
    const node = name === fresh?.name ? fresh : nodes.get(name)
    if (!node && fresh && path.length > 1) return
    if (!node || good.has(name)) {
      const what = node ? 'a dependency cycle' : 'an unknown dependency'
      const shown = [...path, { name }].map((each) => `"${each.name}"`).join(' → ')
      throw new LifecycleError(`AsyncManager "${owner}" has ${what}: ${shown}`)
    }
    good.set(name, false)
    path.push({ name, left: node.dependsOn.values() })
  }
  for (const first of fresh ? [fresh.name] : nodes.keys()) {
    visit(first)
    for (let last = path.at(-1); last; last = path.at(-1)) {
      const next = last.left.next()
      if (!next.done) visit(next.value)
      else {
        good.set(last.name, true)
        path.pop()
      }
    }
  }
}

/** Calls fn for each node as soon as it is done with all that depend on it; the last first, at once where nothing forbids. */
export async function unwind<N extends Node>(
  nodes: readonly N[],
  fn: (node: N) => Promise<void>,
): Promise<void> {
  const order = [...nodes].reverse()
  const dependents = new Map<string, N[]>()
  for (const node of order) {
    for (const name of node.dependsOn) {
      const known = dependents.get(name)
      if (known) known.push(node)
      else dependents.set(name, [node])
    }
  }
  const done = new Map<N, Promise<void>>()
  const visit = (node: N): Promise<void> => {
    const known = done.get(node)
    if (known !== undefined) return known
    // So that a cycle, that nobody started, ends here.
    done.set(node, Promise.resolve())
    const before = dependents.get(node.name)?.map(visit) ?? []
    const visited = Promise.all(before).then(() => fn(node))
    done.set(node, visited)
    return visited
  }
  await Promise.all(order.map(visit))
}
