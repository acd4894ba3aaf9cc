import type { TaskGroup } from '../group.js'
import type { TaskNode } from '../types.js'
import type { Place } from './place.js'

/** The groups in a place. */
export function treesOf(place: Place): TaskNode[] {
  return Array.from(place.groups ?? [], (group) => group.tree())
}

/** A group, with the groups made in its body and its tasks. */
export function treeOf(group: TaskGroup, since: number): TaskNode {
  const tasks = Array.from(group.handles, (task): TaskNode => {
    const { name, state, age } = task.info
    return { name, kind: 'task', state, age, children: treesOf(task) }
  })
  const { name, state } = group
  const age = performance.now() - since
  return { name, kind: 'group', state, age, children: [...treesOf(group), ...tasks] }
}
