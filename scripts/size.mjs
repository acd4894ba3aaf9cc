// Weighs what one import costs: bundled with core, minified, gzipped. Limits are in packages/*/size.json.
// Fails over a limit, on a name that should have been shaken off, and on a README whose figures are old (--write mends those).
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { readPackages } from './workspace.mjs'

const bundle = async (entry, names, minify) => {
  const result = await build({
    stdin: { contents: `export ${names} from ${JSON.stringify(`./${entry.js}`)}`, resolveDir: '.' },
    bundle: true,
    write: false,
    minify,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module'],
    target: 'es2022',
  })
  return result.outputFiles[0].text
}

const problems = []
for (const { dir, name, entries } of readPackages()) {
  const rows = []
  for (const { import: names, from = '.', limit, not = [] } of JSON.parse(
    readFileSync(`${dir}/size.json`, 'utf8'),
  )) {
    const entry = entries.find((it) => it.name === (from === '.' ? 'index' : from.slice(2)))
    const what = `${names}${from === '.' ? '' : ` from ${entry.specifier}`}`
    const size = gzipSync(await bundle(entry, names, true), { level: 9 }).length
    const over = size > Number.parseFloat(limit) * 1000
    const found = not.length ? await bundle(entry, names, false) : ''
    console.log(`${name.padEnd(11)}${String(size).padStart(6)} B  of ${limit}  ${what}`)
    if (over) problems.push(`${name}: ${what} weighs ${size} B, more than ${limit}`)
    for (const it of not.filter((it) => found.includes(it)))
      problems.push(`${name}: ${what} brings along ${it}`)
    // one decimal, rounded up: a few bytes in core must not touch the README of every package
    rows.push(`| \`${what}\` | ${(Math.ceil(size / 100) / 10).toFixed(1)} kB |`)
  }
  const readme = `${dir}/README.md`
  if (!existsSync(readme)) continue
  const table = ['', '| import | min+gzip |', '| --- | --- |', ...rows, ''].join('\n')
  const old = readFileSync(readme, 'utf8')
  const now = old.replace(/(?<=<!-- size -->)[\s\S]*(?=<!-- \/size -->)/, table)
  if (now === old) continue
  if (process.argv.includes('--write')) writeFileSync(readme, now)
  else problems.push(`${readme}: sizes are out of date, run \`pnpm size --write\``)
}
for (const problem of problems) console.error(`✗ ${problem}`)
process.exitCode = problems.length ? 1 : 0
