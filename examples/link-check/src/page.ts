import GithubSlugger from 'github-slugger'
import { Parser } from 'htmlparser2'
import type { Nodes } from 'mdast'
import { fromMarkdown } from 'mdast-util-from-markdown'

/** A link as it stands in its page. */
export interface Link {
  readonly target: string
  readonly line: number
}

/** What a page says, and what of it can be pointed at. */
export interface Page {
  /** What its links are relative to, where that is not its own address. */
  readonly base?: string
  readonly links: readonly Link[]
  readonly anchors: ReadonlySet<string>
}

/** Links, images and definitions; the anchors are those that code hosts give to headings. */
export function parseMarkdown(text: string): Page {
  const links: Link[] = []
  const anchors = new Set<string>()
  const slugger = new GithubSlugger()

  const visit = (node: Nodes): void => {
    const line = node.position?.start.line ?? 1
    if ('url' in node) links.push({ target: node.url, line })
    else if (node.type === 'heading') anchors.add(slugger.slug(plainText(node)))
    else if (node.type === 'html') {
      const inside = parseHtml(node.value)
      for (const link of inside.links) links.push({ ...link, line: line + link.line - 1 })
      for (const anchor of inside.anchors) anchors.add(anchor)
    }
    if ('children' in node) node.children.forEach(visit)
  }
  visit(fromMarkdown(text))
  return { links, anchors }
}

/** `href` and `src`, the first `<base>` for what they are relative to; the anchors are every `id`, and the `name` of an `<a>`. */
export function parseHtml(text: string): Page {
  const links: Link[] = []
  const anchors = new Set<string>()
  let base: string | undefined
  let line = 1
  let seen = 0
  const parser = new Parser({
    onopentag(tag, { href, src, id, name }) {
      for (; seen < parser.startIndex; seen++) if (text[seen] === '\n') line++
      const target = href ?? src
      if (tag === 'base') base ??= href
      else if (target !== undefined) links.push({ target, line })
      if (id) anchors.add(id)
      if (name && tag === 'a') anchors.add(name)
    },
  })
  parser.end(text)
  return { links, anchors, ...(base !== undefined && { base }) }
}

function plainText(node: Nodes): string {
  if ('value' in node) return node.value
  return 'children' in node ? node.children.map(plainText).join('') : ''
}
