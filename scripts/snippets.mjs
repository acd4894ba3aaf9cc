// Extracts the ```ts blocks of README.md, site/index.md, docs/**/*.md and packages/*/README.md into docs/temp: a module
// for each, and a test for each page that imports them. What stands after `ts` changes that:
//   no-run          is type-checked only
//   test            is a test file itself
//   file=name.ts    is a module of that name, for the tests in docs/test and for other blocks; may be `js` as well
//   before, after   log the same, line by line
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readPackages } from './workspace.mjs'

const out = 'docs/temp'
const packages = readPackages()
const files = [
  'README.md',
  'site/index.md',
  ...readdirSync('docs', { recursive: true })
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => `docs/${file.replaceAll('\\', '/')}`)
    .sort(),
  ...packages.map(({ dir }) => `${dir}/README.md`).filter(existsSync),
]

const head = `import { expect, test, vi } from 'vitest'
const logged = async (run: () => Promise<unknown>) => {
  const log = vi.spyOn(console, 'log')
  try {
    await run()
    return [...log.mock.calls]
  } finally {
    log.mockRestore()
  }
}
`
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
let count = 0
for (const file of files) {
  const text = readFileSync(file, 'utf8')
  const page = file.replace(/\.md$/, '').replaceAll('/', '__')
  const tests = []
  let before
  for (const match of text.matchAll(
    /^```(?:ts\b|js(?= file=))(?<meta>.*)\n(?<code>[\s\S]*?)^```/gm,
  )) {
    const line = text.slice(0, match.index).split('\n').length
    const meta = match.groups.meta.trim()
    const name =
      meta === 'test'
        ? `${page}.${line}.test.ts`
        : meta.startsWith('file=')
          ? meta.slice(5)
          : `${page}.${line}.ts`
    writeFileSync(`${out}/${name}`, `// ${file}:${line}\n${match.groups.code}\nexport {}\n`)
    if (meta === 'before') before = name
    if (meta === 'after') {
      tests.push(`test('${file}:${line} logs what the block before it logs', async () => {
  const lines = await logged(() => import('./${before}'))
  expect(lines.length).toBeGreaterThan(0)
  expect(await logged(() => import('./${name}'))).toEqual(lines)
})`)
    } else if (meta === '') {
      tests.push(`test('${file}:${line} runs', async () => void (await import('./${name}')))`)
    }
    count++
  }
  if (tests.length > 0) writeFileSync(`${out}/${page}.test.ts`, `${head}${tests.join('\n')}\n`)
}

const paths = packages.flatMap(({ entries }) =>
  entries.map(({ specifier, source }) => [specifier, [`../../${source}`]]),
)
writeFileSync(
  `${out}/tsconfig.json`,
  JSON.stringify({
    extends: '../../tsconfig.base.json',
    compilerOptions: {
      types: ['node'],
      isolatedDeclarations: false,
      declaration: false,
      paths: Object.fromEntries(paths),
    },
    include: ['*.ts', '../test/*.ts'],
  }),
)
console.log(`${count} snippets`)
