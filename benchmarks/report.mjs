// pnpm bench:report: writes docs/performance.md and its charts from what `pnpm bench` left in results/, of every Node it ran on.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { init } from 'echarts'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const packages = ['core', 'tasks', 'sync', 'decorators', 'context', 'lifecycle', 'cache', 'pool']
const short = (it) => (it >= 100 ? it.toFixed(0) : it.toFixed(it >= 10 ? 1 : 2))

/** The package whose row this is: of ours that it imports the last in order. */
const packageOf = (row) => {
  const source = readFileSync(here(`rows/${row}.mjs`), 'utf8')
  if (source.includes('/pools.mjs')) return 'pool'
  return packages.findLast((name) => source.includes(`'@uno-async/${name}'`))
}

const load = async (file) => {
  const result = JSON.parse(readFileSync(here(`results/${file}`), 'utf8'))
  const { note } = await import(`./rows/${result.row}.mjs`)
  return {
    ...result,
    note,
    package: packageOf(result.row),
    major: parseInt(result.node.slice(1), 10),
  }
}

const files = readdirSync(here('results')).filter((it) => it.endsWith('.json'))
const results = await Promise.all(files.map(load))
const majors = [...new Set(results.map(({ major }) => major))].sort()
const of = (name, major) =>
  results.filter((it) => it.package === name && it.major === major && it.results.length > 1)

const draw = (file, height, option) => {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 950, height })
  chart.setOption({ animation: false, backgroundColor: '#ffffff', ...option })
  writeFileSync(here(`../docs/${file}`), `${chart.renderToSVGString()}\n`)
  chart.dispose()
}

const bars = (major) => {
  const peers = packages.flatMap((name) =>
    of(name, major).flatMap(({ name: job, results: [, ...others] }) =>
      others
        .filter(({ goal }) => goal !== undefined)
        .map(({ subject, ratio }) => ({ label: `${job} · ${subject}`, ratio })),
    ),
  )
  draw(`performance-node${major}.svg`, 80 + peers.length * 19, {
    title: { text: `How many times ours the peers take (Node ${major}, CPU time)` },
    grid: { left: 520, right: 60, top: 50, bottom: 40 },
    xAxis: { type: 'log', min: 0.1, name: '×' },
    yAxis: {
      type: 'category',
      inverse: true,
      data: peers.map(({ label }) => label),
      axisLabel: { fontSize: 11, width: 510, overflow: 'truncate' },
    },
    series: {
      type: 'bar',
      data: peers.map(({ ratio }) => ({
        value: Number(ratio.toFixed(2)),
        itemStyle: { color: ratio >= 1.3 ? '#2a7f62' : ratio > 1 / 1.3 ? '#9aa5b1' : '#c2553a' },
      })),
      label: { show: true, position: 'right', formatter: '{c} ×', fontSize: 11 },
      markLine: { symbol: 'none', label: { show: false }, data: [{ xAxis: 1 }] },
    },
  })
}

const curves = (major) => {
  const grown = results.filter((it) => it.major === major && it.growth?.length)
  if (!grown.length) return
  draw(`performance-growth-node${major}.svg`, 420, {
    title: { text: `The cost of one operation as the work grows (Node ${major}, CPU time)` },
    legend: { top: 30, type: 'plain' },
    grid: { left: 70, right: 40, top: 110, bottom: 50 },
    xAxis: { type: 'log', name: 'how many', nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'log', name: 'ns' },
    series: grown.map(({ name, growth }) => ({
      name,
      type: 'line',
      data: growth
        .filter(({ subject }) => subject === growth[0].subject)
        .map(({ size, median }) => [size, Math.round(median)]),
    })),
  })
}

const rowOf = ({ name, unit, results: [ours, ...others], note }) => {
  const peers = others.map(({ subject, median, ratio, goal }) => {
    const verdict = goal ? ` (goal ${goal} ${ratio >= goal ? '✓' : '✗'})` : ''
    return `${subject} ${short(median)} = ${short(ratio)} ×${verdict}`
  })
  const missed = others.some(({ ratio, goal }) => goal && ratio < goal)
  return `| ${name}${missed && note ? ` — ${note}` : ''} | ${short(ours.median)} ${unit} | ${peers.join('<br>')} |`
}

const growthRows = (major) =>
  results
    .filter((it) => it.major === major && it.growth?.length)
    .flatMap(({ name, growth }) =>
      [...new Set(growth.map(({ subject }) => subject))].map((subject, i) => {
        const grown = growth.filter((it) => it.subject === subject)
        const cells = grown.map(({ median }) => short(median))
        const from = grown.find(({ size }) => size === 1_000)
        const ratio = short(grown.at(-1).median / from.median)
        return `| ${i ? '' : name} | ${subject} | ${cells.join(' | ')} | ${ratio} |`
      }),
    )

const section = (major) => {
  const [{ node, machine, date }] = results.filter((it) => it.major === major)
  bars(major)
  curves(major)
  const tables = packages.flatMap((name) => {
    const rows = of(name, major)
    if (!rows.length) return []
    return [
      `### ${name}`,
      '',
      '| job | ours | others, and how many times ours |',
      '| --- | ---: | --- |',
      ...rows.map(rowOf),
      '',
    ]
  })
  const growth = growthRows(major)
  return [
    `## Node ${major}`,
    '',
    `Node ${node}, ${machine}, ${date}.`,
    '',
    `![How many times ours the peers take](performance-node${major}.svg)`,
    '',
    ...tables,
    ...(growth.length
      ? [
          '### As the work grows',
          '',
          `![The cost of one operation as the work grows](performance-growth-node${major}.svg)`,
          '',
          '| ns for each | by | 100 | 1 000 | 10 000 | 100 000 | 100 000 : 1 000 |',
          '| --- | --- | ---: | ---: | ---: | ---: | ---: |',
          ...growth,
          '',
          'Nearly all of these wait at once, and none can be freed: most of what grows is the work of the garbage collector, which grows for',
          'the peers as well, where they were measured. A waiter of ours with its lease, its token and its promises is about 1 kB.',
          '',
        ]
      : []),
  ]
}

const versions = Object.entries(Object.assign({}, ...results.map((it) => it.versions)))
  .filter(([name]) => !name.startsWith('@uno-async'))
  .map(([name, version]) => `${name} ${version}`)

const text = [
  '# Performance',
  '',
  'CPU time of one operation, all threads and the garbage collector included: medians of rounds that are interleaved, each subject in a',
  'process of its own, in one run. Read the ratios: below 1.3 they are a tie on a noisy machine, and the nanoseconds are those of one',
  'machine. `pnpm bench` measures, `pnpm bench:report` writes this page.',
  '',
  ...majors.flatMap(section),
  '## Versions',
  '',
  `${versions.join(', ')}.`,
  '',
].join('\n')
writeFileSync(here('../docs/performance.md'), text)
