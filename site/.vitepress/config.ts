import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type DefaultTheme, defineConfig } from 'vitepress'

const src = '../temp/site'
const at = (path: string) => new URL(`../${src}/${path}`, import.meta.url)

type Item = DefaultTheme.SidebarItem

/** The pages of a folder, named by their first heading. */
const folder = (name: string): Item[] =>
  readdirSync(at(name))
    .filter((file) => file.endsWith('.md') && file !== 'index.md')
    .map((file) => ({
      text: (/^# (.*)$/m.exec(readFileSync(at(`${name}/${file}`), 'utf8'))?.[1] ?? file).replace(
        /^From |^@uno-async\//,
        '',
      ),
      link: `/${name}/${file}`,
    }))

const reference: Item[] = JSON.parse(readFileSync(at('reference/typedoc-sidebar.json'), 'utf8'))
const guide = (name: string, text: string): Item => ({ text, link: `/guides/${name}` })

export default defineConfig({
  title: 'uno-async',
  description: 'Cancellation, structured concurrency and the tools around them for TypeScript.',
  srcDir: src,
  outDir: 'dist',
  lastUpdated: false,
  head: [['link', { rel: 'icon', href: '/logo.svg', type: 'image/svg+xml' }]],
  markdown: { theme: { light: 'github-light', dark: 'github-dark' } },
  themeConfig: {
    logo: '/logo.svg',
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: 'https://github.com/uno-async/uno-async' }],
    nav: [
      {
        text: 'Guide',
        link: '/choosing',
        activeMatch: '^/(choosing|cancellation|guides|testing|frontend|design|compared)',
      },
      { text: 'Packages', link: '/packages/core', activeMatch: '^/(packages|changes)/' },
      { text: 'Reference', link: '/reference/', activeMatch: '^/reference/' },
      { text: 'Coming from …', link: '/migrating/', activeMatch: '^/migrating/' },
    ],
    sidebar: {
      '/reference/': [{ text: 'Reference', link: '/reference/', items: reference }],
      '/': [
        {
          text: 'Start',
          items: [
            { text: 'Choosing', link: '/choosing' },
            { text: 'Cancellation', link: '/cancellation' },
            { text: 'Design', link: '/design' },
          ],
        },
        {
          text: 'Guides',
          items: [
            guide('tasks', 'Tasks'),
            guide('sync', 'Locks, limiters, timeouts'),
            guide('decorators', 'Retry and decorators'),
            guide('context', 'Context managers'),
            guide('cache', 'Caching and batching'),
            guide('pool', 'Pools'),
            guide('lifecycle', 'Starting and stopping'),
            { text: 'Testing', link: '/testing' },
            { text: 'In the browser', link: '/frontend' },
          ],
        },
        { text: 'Packages', items: folder('packages') },
        { text: 'Coming from', link: '/migrating/', collapsed: true, items: folder('migrating') },
        { text: 'Compared', link: '/compared' },
        { text: 'Examples', collapsed: true, items: folder('examples') },
        {
          text: 'The project',
          collapsed: true,
          items: [
            { text: 'Contributing', link: '/contributing' },
            { text: 'Benchmarks', link: '/benchmarks' },
            ...(existsSync(at('changes')) ? [{ text: 'Changes', items: folder('changes') }] : []),
            { text: 'Decisions', link: '/adr/', items: folder('adr') },
          ],
        },
      ],
    },
  },
})
