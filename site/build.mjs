// Makes the site: gathers the repository's Markdown in temp/site with its links turned into links between pages, adds the
// reference, builds it into site/dist, and has the links of the outcome checked. Called from the root, on built packages.
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { Application } from 'typedoc'
import { build, serve } from 'vitepress'
import { readPackages } from '../scripts/workspace.mjs'

const repository = 'https://github.com/uno-async/uno-async'
const out = 'temp/site'
const packages = readPackages()

/** Where each page of the repository is on the site. */
const pages = new Map(
  [
    ['README.md', 'index.md'], // links to it lead to the start page, that is written for the site
    ['CONTRIBUTING.md', 'contributing.md'],
    ['benchmarks/README.md', 'benchmarks.md'],
    ...packages.map(({ dir, name }) => [`${dir}/README.md`, `packages/${name}.md`]),
    ...packages.map(({ dir, name }) => [`${dir}/CHANGELOG.md`, `changes/${name}.md`]),
    ...readdirSync('examples').map((name) => [`examples/${name}/README.md`, `examples/${name}.md`]),
    ...readdirSync('docs', { recursive: true })
      .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
      .map((file) => [`docs/${file}`, file.replace('README.md', 'index.md')]),
  ].filter(([file]) => existsSync(file)),
)

/** A link as it has to be on the page that is made of `file`. */
const relink = (file, url) => {
  if (/^([a-z]+:|#|\/)/.test(url)) return url
  const [path, anchor = ''] = url.split(/(?=#)/)
  const target = posix.join(posix.dirname(file), path).replace(/\/$/, '')
  const page = pages.get(target) ?? pages.get(`${target}/README.md`)
  if (page) return `/${page}${anchor}`
  if (/\.(svg|png)$/.test(target)) {
    const image = target.replace(/^docs\//, '')
    cpSync(target, join(out, 'public', image))
    return `/${image}`
  }
  return `${repository}/${statSync(target).isDirectory() ? 'tree' : 'blob'}/main/${target}${anchor}`
}

/** Outside of code blocks, links; above a block with a name, the name. */
const convert = (file, text) =>
  text
    .split(/^(```[\s\S]*?^```)$/m)
    .map((part) =>
      part.startsWith('```')
        ? part.replace(/^```(\w+) (?:file=)?(\S+)/, (_, lang, name) =>
            name === 'no-run' || name === 'test'
              ? `\`\`\`${lang}`
              : `<p class="block-name">${name}</p>\n\n\`\`\`${lang}`,
          )
        : part.replace(/(?<=\]\(|<img src=")[^)\s"]+/g, (url) => relink(file, url)),
    )
    .join('')

const write = (file, text) => {
  mkdirSync(dirname(join(out, file)), { recursive: true })
  writeFileSync(join(out, file), text)
}

rmSync(out, { recursive: true, force: true })
for (const [file, page] of pages) {
  const source = file === 'README.md' ? 'site/index.md' : file
  write(page, convert(source, readFileSync(source, 'utf8')))
}
for (const file of readdirSync('docs', { recursive: true }))
  if (file.endsWith('.svg') && !file.includes('node_modules'))
    cpSync(join('docs', file), join(out, 'public', file))
cpSync('site/logo.svg', join(out, 'public/logo.svg'))

const reference = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
  name: 'Reference',
  readme: 'none',
  entryPoints: packages.flatMap(({ entries }) =>
    entries.filter(({ name }) => name !== 'polyfill').map(({ source }) => source),
  ),
  tsconfig: 'site/tsconfig.json',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  out: join(out, 'reference'),
  docsRoot: out,
  logLevel: 'Warn',
})
const project = await reference.convert()
if (!project?.children) process.exit(1)
for (const module of project.children) module.name = module.name.replace('/src', '') // sync, sync/debug
await reference.generateOutputs(project)

await build('site')

execFileSync('node', ['examples/link-check/dist/cli.js', '--offline', 'site/dist'], {
  stdio: 'inherit',
})
console.log('site/dist/index.html')
if (process.argv.includes('--serve')) await serve({ root: 'site' })
