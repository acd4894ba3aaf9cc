import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { CancellationTokenSource } from '@uno-async/core'
import { describe, expect, it } from 'vitest'
import { checkLinks, type Report } from '../src/check.js'
import { links, Site } from './site.js'

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const repository = fileURLToPath(new URL('../../..', import.meta.url))
const options = { concurrency: 8, offline: false, rate: 1000, retries: 2, timeout: 300 }

const run = async (...args: string[]) => {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, stdout, stderr }
}

const problems = ({ broken }: Report) =>
  Object.fromEntries(broken.map(({ target, problem }) => [target, problem]))

/** A folder with these files, gone at the end of the block. */
const folder = async (files: Record<string, string>) => {
  const path = await mkdtemp(join(tmpdir(), 'link-check-'))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), content)
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

describe('a tree of files', () => {
  it('finds files and anchors that are not there, with page and line', async () => {
    await using tree = await folder({
      'README.md': [
        '# One `two`, Three!',
        '[here](#one-two-three) [up](docs/a.md#a-1) [dir](docs) [root](/docs/a.md)',
        '[no file](docs/b.md)',
        '[no anchor](docs/a.md#c) ![no image](x.png) <a href="docs/page.html#id">html</a>',
        '[mail](mailto:a@b.c) [reference][r]',
        '',
        '[r]: docs/page.html#nowhere',
      ].join('\n'),
      'docs/a.md': '# A\n# A\n[back](../README.md)\n[bad](%)\n',
      'docs/page.html': '<p id="id">\n<a\n href="../missing.html">x</a>',
    })
    const report = await checkLinks([tree.path], options)
    const found = report.broken.map(({ line, target, problem }) => [line, target, problem])
    expect(found.sort()).toEqual(
      [
        [2, '../missing.html', 'no such file'],
        [3, 'docs/b.md', 'no such file'],
        [4, 'docs/a.md#c', 'no anchor #c'],
        [4, 'x.png', 'no such file'],
        [4, '%', 'URI malformed'],
        [7, 'docs/page.html#nowhere', 'no anchor #nowhere'],
      ].sort(),
    )
    expect(report).toMatchObject({ complete: true, pages: 3, skipped: 1 })
  })

  it('tells of a page that cannot be read', async () => {
    await using tree = await folder({ 'huge.md': '' })
    await truncate(join(tree.path, 'huge.md'), 2 ** 32)
    const report = await checkLinks([tree.path], options)
    expect(report.broken).toEqual([
      {
        page: expect.stringMatching(/huge\.md$/),
        line: 1,
        target: expect.any(String),
        problem: expect.stringContaining('File size'),
      },
    ])
  })

  it('leaves URLs alone when offline', async () => {
    await using site = await Site.open({})
    await using tree = await folder({ 'a.md': `[x](${site.url}/missing)` })
    const report = await checkLinks([tree.path], { ...options, offline: true })
    expect(report).toMatchObject({ skipped: 1, checked: 0, broken: [] })
    expect(site.asked.size).toBe(0)
  })
})

describe('a site', () => {
  it('reports what is broken, and nothing that only needed patience', async () => {
    await using site = await Site.open({
      '/':
        links('/slow', '/limited', '/overloaded', '/flaky', '/missing', '/reset', '/silent') +
        links('/deep/', '/fine#there', '/fine#nowhere'),
      '/deep/': links('/missing', '../fine', 'page'),
    })
    const report = await checkLinks([`${site.url}/`], options)
    expect(problems(report)).toEqual({
      '/missing': 'HTTP 404',
      '/reset': 'UND_ERR_SOCKET',
      '/silent': '"request" timed out after 300 ms',
      '/fine#nowhere': 'no anchor #nowhere',
    })
    expect(report.broken.filter(({ target }) => target === '/missing')).toHaveLength(2)
    expect(report.complete).toBe(true)
  })

  it('takes what is relative from where a redirect led, or from what the page says', async () => {
    await using other = await Site.open({ '/': links('/missing') })
    await using site = await Site.open({})
    site.pages = {
      '/docs': `${site.url}/docs/`,
      '/docs/': links('a', 'b', 'out', '#top', '#TOP', '#:~:text=here', 'a#there:~:text=here'),
      '/docs/a': `<base href="${site.url}/deep/">${links('page')}<p id="there">`,
      '/docs/b': `${site.url}/docs/a`,
      '/docs/out': `${other.url}/`,
      '/deep/page': 'fine',
    }
    const report = await checkLinks([`${site.url}/docs`], options)
    expect(report).toMatchObject({ complete: true, broken: [], pages: 2 })
    expect([...site.asked.keys()].sort()).toEqual(
      ['/docs', '/docs/', '/docs/a', '/docs/b', '/docs/out', '/deep/page'].sort(),
    )
    expect([...other.asked.keys()]).toEqual(['/'])
  })

  it('says what is wrong with a redirect that never ends', async () => {
    await using site = await Site.open({})
    site.pages = { '/': links('/loop'), '/loop': `${site.url}/loop` }
    const report = await checkLinks([`${site.url}/`], { ...options, retries: 0 })
    expect(problems(report)).toEqual({ '/loop': 'redirect count exceeded' })
  })

  it('asks for an address once, however often it is linked, and again only after a failure that may pass', async () => {
    await using site = await Site.open({
      '/': links('/fine', '/fine#there', '/missing', '/flaky', '/limited', '/deep/'),
      '/deep/': links('/fine', '/missing', '/'),
    })
    await checkLinks([`${site.url}/`], { ...options, timeout: 60_000 })
    expect(Object.fromEntries(site.asked)).toEqual({
      '/': 1,
      '/deep/': 1,
      '/fine': 1,
      '/missing': 1,
      '/flaky': 3,
      '/limited': 2,
    })
  })

  it('gives the report of what was checked when it is cancelled', async () => {
    await using site = await Site.open({ '/': links('/missing', '/hanging', '/silent') })
    using source = new CancellationTokenSource()
    const checking = checkLinks([`${site.url}/`], {
      ...options,
      timeout: 60_000,
      signal: source.token,
      onProgress: ({ checked }) => checked === 1 && source.cancel(),
    })
    const report = await checking
    expect(report).toMatchObject({ complete: false, checked: 1, found: 3 })
    expect(problems(report)).toEqual({ '/missing': 'HTTP 404' })
  })
})

describe('the command', () => {
  it('exits with 0 where all is fine, and prints how much it looked at', async () => {
    await using tree = await folder({ 'a.md': '[b](b.md)', 'b.md': '# b' })
    const { code, stdout } = await run(tree.path)
    expect([code, stdout]).toEqual([0, '2 pages, 1 links checked, 0 broken\n'])
  })

  it('exits with 1 on broken links, and prints them line by line or as JSON', async () => {
    await using tree = await folder({ 'a.md': '\n[b](b.md)' })
    const plain = await run(tree.path)
    expect(plain.code).toBe(1)
    expect(plain.stdout).toMatch(
      /a\.md:2 {2}b\.md {2}no such file\n1 pages, 1 links checked, 1 broken\n$/,
    )
    const json = await run('--json', tree.path)
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({ complete: true, broken: [{ line: 2 }] })
  })

  it.each([
    [['--concurrency', '0'], '--concurrency'],
    [['--concurrency', '1.5'], '--concurrency'],
    [['--retries', '0.5'], '--retries'],
    [['--rate', 'fast'], '--rate'],
    [['--timeout', ''], '--timeout'],
    [['--nonsense'], '--nonsense'],
    [['no-such-folder'], 'no-such-folder'],
  ])('exits with 2 on %j, and says why', async (args, word) => {
    const { code, stdout, stderr } = await run(...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(word)
  })

  it.each([['--rate', 'fast'], ['no-such-folder']])(
    'ends on a terminal, too, when %s is wrong',
    async (...args) => {
      const terminal = `Object.assign(process.stderr, { isTTY: true, clearLine() {}, cursorTo() {}, moveCursor() {} })`
      const child = spawn(
        process.execPath,
        ['--import', `data:text/javascript,${encodeURIComponent(terminal)}`, cli, ...args],
        { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10_000, killSignal: 'SIGKILL' },
      )
      const said = text(child.stderr)
      expect(await once(child, 'exit')).toEqual([2, null])
      expect(await said).toContain(args.at(-1))
    },
  )

  it('exits as ever when nobody reads the report to its end', async () => {
    await using tree = await folder({ 'a.md': '[b](b.md)' })
    const child = spawn(process.execPath, [cli, tree.path], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    const said = text(child.stderr)
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(await said).toBe('')
  })

  it('does not read a pipe', async () => {
    await using tree = await folder({ 'a.md': '[x](x.md)' })
    execFileSync('mkfifo', [join(tree.path, 'x.md')])
    const child = spawn(process.execPath, [cli, tree.path], {
      timeout: 10_000,
      killSignal: 'SIGKILL',
    })
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('ends on Ctrl+C with what it has, though a server hangs', async () => {
    await using site = await Site.open({ '/': links('/missing', '/hanging', '/silent') })
    const child = spawn(process.execPath, [cli, '--timeout', '600000', `${site.url}/`])
    const output = text(child.stdout)
    await Promise.all(['/missing', '/hanging', '/silent'].map((path) => site.whenAsked(path)))
    child.kill('SIGINT')
    const [code] = await once(child, 'exit')
    expect(code).toBe(130)
    expect(await output).toMatch(/1 pages, [01] links checked, [01] broken so far \(stopped\)\n$/)
  })

  it('ends when its time is up with what it has, though a server hangs', async () => {
    await using site = await Site.open({ '/': links('/missing', '/hanging', '/silent') })
    const { code, stdout } = await run('--limit', '2000', `${site.url}/`)
    expect(code).toBe(124)
    expect(stdout).toMatch(/1 pages, [01] links checked, [01] broken so far \(stopped\)\n$/)
  })

  it("finds nothing broken in this repository's own pages", async () => {
    const { code, stdout } = await run('--offline', repository)
    expect(stdout).toMatch(/^\d+ pages, \d+ links checked, \d+ left alone, 0 broken\n$/)
    expect(code).toBe(0)
  })
})
