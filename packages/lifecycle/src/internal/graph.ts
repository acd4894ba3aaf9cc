import { LifecycleError } from '../errors.js'

/** What depends on what, by name. */
export interface Node {
  readonly name: string
  readonly dependsOn: readonly string[]
}

/** @throws LifecycleError for an unknown name or a cycle, with the path to it */
export function checkGraph(nodes: ReadonlyMap<string, Node>): void {
  const good = new Set<string>()
  const visit = (name: string, path: readonly string[]): void => {
    if (good.has(name)) return
    const way = [...path, name]
    const shown = way.map((each) => `"${each}"`).join(' → ')
    const node = nodes.get(name)
    if (!node) throw new LifecycleError(`Unknown dependency: ${shown}`)
    if (path.includes(name)) throw new LifecycleError(`Dependency cycle: ${shown}`)
    for (const each of node.dependsOn) visit(each, way)
    good.add(name)
  }
  for (const name of nodes.keys()) visit(name, [])
}

/** Calls fn for each node as soon as it is done with all that depend on it; the last first, at once where nothing forbids. */
export async function unwind<N extends Node>(
  nodes: readonly N[],
  fn: (node: N) => Promise<void>,
): Promise<void> {
  const order = [...nodes].reverse()
  const done = new Map<N, Promise<void>>()
  const visit = (node: N): Promise<void> => {
    const known = done.get(node)
    if (known !== undefined) return known
    // So that a cycle, that nobody started, ends here.
    done.set(node, Promise.resolve())
    const before = order.filter(({ dependsOn }) => dependsOn.includes(node.name)).map(visit)
    const visited = Promise.all(before).then(() => fn(node))
    done.set(node, visited)
    return visited
  }
  await Promise.all(order.map(visit))
}
