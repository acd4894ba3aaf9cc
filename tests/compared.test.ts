import { existsSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

/** What `it`, `test` and `describe` are given as title in a file, `it.each(…)` included. */
const known = new Map<string, string[]>()
const titlesIn = (file: string): string[] => {
  const titles = known.get(file) ?? []
  if (known.has(file)) return titles
  known.set(file, titles)
  const nameOf = (node: ts.Node): string => {
    if (ts.isCallExpression(node) || ts.isPropertyAccessExpression(node))
      return nameOf(node.expression)
    return ts.isIdentifier(node) ? node.text : ''
  }
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(it|test|describe)$/.test(nameOf(node))) {
      const [title] = node.arguments
      if (title && ts.isStringLiteralLike(title)) titles.push(title.text)
      else if (title && ts.isTemplateExpression(title)) titles.push(title.getText())
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true))
  return titles
}

/** The rows of those tables of docs/compared.md whose last column says which test shows it. */
const rows = (): { row: string; test: string }[] => {
  let isTested = false
  return readFileSync('docs/compared.md', 'utf8')
    .split('\n')
    .flatMap((row, i, lines) => {
      const isHead = row.startsWith('|') && /^\| ---/.test(lines[i + 1] ?? '')
      if (isHead || !row.startsWith('|')) isTested = isHead && /\| test \|$/.test(row)
      const test = row.split('|').at(-2)?.trim() ?? ''
      return !isTested || isHead || /^\| ---/.test(row) ? [] : [{ row, test }]
    })
}

describe('docs/compared.md', () => {
  it('names a test for each report', () => {
    const untested = rows().filter(({ row, test }) => /#\d/.test(row) && test === '')
    expect(rows().length).toBeGreaterThan(50)
    expect(untested).toEqual([])
  })

  it.each(rows().filter(({ test }) => test !== ''))('names tests that exist: $test', ({ test }) => {
    for (const one of test.split(/; (?=`)/)) {
      const [, name = '', path = '', title] = /^`(\w+)\/([\w./-]+)`(?:: (.+))?$/.exec(one) ?? []
      // a suite that several run is in a file of its own
      const files = ['.test.ts', '.ts']
        .map((end) => `packages/${name}/test/${path}${end}`)
        .filter((file) => existsSync(file))
      expect(files, one).not.toEqual([])
      if (title)
        expect(
          files.flatMap(titlesIn).filter((it) => it.includes(title)),
          one,
        ).not.toEqual([])
    }
  })
})
