import { readFile, stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { AsyncCache } from '@uno-async/cache'
import { type Cancellation, CancellationToken } from '@uno-async/core'
import { TaskGroup } from '@uno-async/tasks'
import { glob } from 'tinyglobby'
import { type Link, type Page, parseHtml, parseMarkdown } from './page.js'
import { describe, Web, type WebOptions } from './web.js'

export interface CheckOptions extends WebOptions {
  /** Links and pages looked at, at once. */
  concurrency: number
  /** Leave URLs alone: files and anchors only. */
  offline: boolean
  signal?: Cancellation
  onProgress?: (report: Report) => void
}

/** A link that leads nowhere. */
export interface Broken {
  readonly page: string
  readonly line: number
  readonly target: string
  readonly problem: string
}

/** What is known so far; `complete` once everything was looked at. */
export interface Report {
  pages: number
  found: number
  checked: number
  skipped: number
  complete: boolean
  readonly broken: Broken[]
}

/** What is behind an address: why it cannot be reached, or the page if it is one. */
interface Place {
  readonly problem?: string
  readonly page?: Page
  /** Where redirects led. */
  readonly url?: URL
}

/** A page whose links are followed. */
interface Visit {
  readonly url: URL
  /** What its links are relative to. */
  readonly base: URL
  readonly root: URL
}

/**
 * Checks every link in the trees and sites that `starts` name. Cancelling is no error: it gives the report
 * of what was checked until then.
 */
export async function checkLinks(
  starts: readonly string[],
  options: CheckOptions,
): Promise<Report> {
  const token = CancellationToken.from(options.signal)
  const check = new Check(options)
  try {
    await TaskGroup.run(
      async (group) => {
        for (const start of starts) await check.start(start, group)
      },
      { name: 'link-check', signal: token, concurrency: options.concurrency },
    )
    check.report.complete = true
  } catch (error) {
    if (!token.owns(error)) throw error
  }
  return check.report
}

class Check {
  readonly report: Report = {
    pages: 0,
    found: 0,
    checked: 0,
    skipped: 0,
    complete: false,
    broken: [],
  }
  readonly #options: CheckOptions
  readonly #web: Web
  readonly #visited = new Set<string>()
  // Each address is looked at once, and only while a task waits for it.
  readonly #places = new AsyncCache<string, Place>({
    load: (href, { token }) => this.#look(new URL(href), token),
  })

  constructor(options: CheckOptions) {
    this.#options = options
    this.#web = new Web(options)
  }

  async start(start: string, group: TaskGroup): Promise<void> {
    if (/^https?:/i.test(start)) {
      const url = new URL(start)
      url.hash = ''
      return this.#visit(url, undefined, group)
    }
    const root = pathToFileURL((await stat(start)).isDirectory() ? `${start}/` : start)
    const files = root.href.endsWith('/')
      ? await glob('**/*.{md,html}', {
          cwd: start,
          absolute: true,
          ignore: ['**/{node_modules,dist,temp,coverage}/**'],
        })
      : [start]
    for (const file of files.sort()) this.#visit(pathToFileURL(file), root, group)
  }

  /**
   * Reads a page and checks its links, each in a task of its own. Of a site, pages below `root` are visited too;
   * that is, if not given, where `url` leads.
   */
  #visit(url: URL, start: URL | undefined, group: TaskGroup): void {
    if (this.#visited.has(url.href)) return
    this.#visited.add(url.href)
    void group.createTask(
      async (token) => {
        const { page, problem, url: at = url } = await this.#places.get(url.href, { signal: token })
        // Of a page that is linked, `follow` tells where.
        const isLinked = start && url.protocol !== 'file:'
        if (problem && !isLinked) this.#tell(url, { target: show(url), line: 1 }, problem)
        const root = start ?? at
        const isMoved = at.href !== url.href
        // A redirect may lead out of the site, or to a page that is visited anyway.
        if (!page || (isMoved && (this.#visited.has(at.href) || !isBelow(at, root)))) return
        this.#visited.add(at.href)
        const base = URL.canParse(page.base ?? '', at) ? new URL(page.base ?? '', at) : at
        this.report.pages++
        this.report.found += page.links.length
        for (const link of page.links) {
          void group.createTask((token) => this.#follow(link, { url, base, root }, group, token), {
            name: link.target,
          })
        }
      },
      { name: show(url) },
    )
  }

  async #follow(
    link: Link,
    visit: Visit,
    group: TaskGroup,
    token: CancellationToken,
  ): Promise<void> {
    const { report } = this
    const problem = await this.#problemOf(link, visit, group, token)
    if (problem === undefined) report.skipped++
    else report.checked++
    if (problem) this.#tell(visit.url, link, problem)
    this.#options.onProgress?.(report)
  }

  /** Why a link leads nowhere; '' if it is fine, undefined if it was not looked at. */
  async #problemOf(
    { target }: Link,
    { base, root }: Visit,
    group: TaskGroup,
    token: CancellationToken,
  ): Promise<string | undefined> {
    if (!URL.canParse(target, base)) return 'not a URL'
    // In a tree of files, `/x` means its root.
    const isRooted = base.protocol === 'file:' && target.startsWith('/') && !target.startsWith('//')
    const url = new URL(isRooted ? `.${target}` : target, isRooted ? root : base)
    const anchor = decode(url.hash.slice(1).replace(/:~:.*/, '')) // without what is to be highlighted
    url.hash = ''
    const isWeb = /^https?:$/.test(url.protocol)
    if (!isWeb && url.protocol !== 'file:') return undefined
    if (isWeb && this.#options.offline) return undefined
    if (isWeb && isBelow(url, root)) this.#visit(url, root, group)
    const { problem, page } = await this.#places.get(url.href, { signal: token })
    if (problem) return problem
    // Every page has a top.
    if (!anchor || !page || page.anchors.has(anchor) || anchor.toLowerCase() === 'top') return ''
    return `no anchor #${anchor}`
  }

  async #look(url: URL, token: CancellationToken): Promise<Place> {
    if (url.protocol === 'file:') return openFile(url)
    try {
      const { status, html, url: at } = await this.#web.get(url, token)
      if (status >= 400) return { problem: `HTTP ${status}` }
      return html === undefined ? {} : { page: parseHtml(html), url: at }
    } catch (error) {
      token.throwIfCancelled()
      return { problem: describe(error) }
    }
  }

  #tell(from: URL, { target, line }: Link, problem: string): void {
    this.report.broken.push({ page: show(from), line, target, problem })
  }
}

async function openFile(url: URL): Promise<Place> {
  try {
    // Nor is a pipe read, which may have nobody at its other end.
    if (!(await stat(url)).isFile()) return {}
    const parse = /\.md$/.test(url.pathname)
      ? parseMarkdown
      : /\.html?$/.test(url.pathname)
        ? parseHtml
        : undefined
    return parse ? { page: parse(await readFile(url, 'utf8')) } : {}
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { problem: code === 'ENOENT' ? 'no such file' : describe(error) }
  }
}

function isBelow(url: URL, root: URL): boolean {
  return url.href.startsWith(new URL('.', root).href)
}

function show(url: URL): string {
  return url.protocol === 'file:' ? relative('', fileURLToPath(url)) : url.href
}

/** As it stands, where it is no proper escape. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
