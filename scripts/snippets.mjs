// Extracts the ```ts blocks of README.md, docs/**/*.md and packages/*/README.md into temp/snippets: one module and one
// test that imports it for each. A block marked `ts no-run` is type-checked only.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readPackages } from './workspace.mjs'

const out = 'temp/snippets'
const packages = readPackages()
const files = [
  'README.md',
  ...readdirSync('docs', { recursive: true })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`)
    .sort(),
  ...packages.map(({ dir }) => `${dir}/README.md`).filter(existsSync),
]

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
let count = 0
for (const file of files) {
  const text = readFileSync(file, 'utf8')
  for (const match of text.matchAll(/^```ts\b(?<meta>.*)\n(?<code>[\s\S]*?)^```/gm)) {
    const line = text.slice(0, match.index).split('\n').length
    const name = `${file.replace(/\.md$/, '').replaceAll('/', '__')}.${line}`
    writeFileSync(`${out}/${name}.ts`, `// ${file}:${line}\n${match.groups.code}\nexport {}\n`)
    count++
    if (match.groups.meta.includes('no-run')) continue
    writeFileSync(
      `${out}/${name}.test.ts`,
      `import { test } from 'vitest'\ntest('${file}:${line} runs', async () => {\n  await import('./${name}.ts')\n})\n`,
    )
  }
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
    include: ['*.ts'],
  }),
)
console.log(`${count} snippets`)
