// pnpm bench [row …]
//
// Each subject of a row runs in a process of its own; rounds are interleaved, so that a noisy minute hits everybody alike; what
// is compared is the median of the CPU time (of all threads: the garbage collector's counts too). The first subject is ours.
//
// rows/<row>.mjs exports
//   name, unit   'ns' is measured: CPU time per operation. Any other unit (bytes, …) is the number that run() returns
//   goal         { [peer]: how many times ours its figure must at least be }
//   subjects     { [subject]: async () => ({ run(n) }) }   run does n operations
//   n            optional: fixes n, for jobs whose cost depends on their size; else n is as many as fill a round
//   note         optional: where a goal is missed, why: the limit that shows in the row
//   sizes        optional: ours and the first peer are measured at each of these n, too: how the cost of an operation grows
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import { fileURLToPath } from 'node:url'
import { do_not_optimize } from 'mitata'

const rounds = 9
const roundTime = 50_000 // CPU microseconds
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const load = (row) => import(`./rows/${row}.mjs`)

/** The process of one subject: fills a round, then answers each message with a figure. */
const serve = async (file, subject, size) => {
  const row = await load(file)
  const { run } = await row.subjects[subject]()
  const fixed = Number(size) || row.n
  let n = fixed ?? 64
  let times = 1

  // No forced collection before: it throws away the compiled code of every class without a living instance.
  const measure = async () => {
    const before = process.cpuUsage()
    let own
    for (let i = 0; i < times; i++) {
      own = await run(n)
      do_not_optimize(own)
    }
    const { user, system } = process.cpuUsage(before)
    return { own, time: user + system }
  }

  // grows until a round is filled, also by compiled code
  for (let filled = 0; row.unit === 'ns' && filled < 10; ) {
    if ((await measure()).time >= roundTime) filled++
    else if (fixed) times *= 2
    else n *= 2
  }
  process.on('message', async () => {
    const { own, time } = await measure()
    process.send(row.unit === 'ns' ? (time * 1000) / n / times : own)
  })
  process.once('disconnect', () => process.exit()) // whatever a peer keeps running
  process.send('ready')
}

const short = (figure) => (figure >= 100 ? figure.toFixed(0) : figure.toFixed(figure >= 10 ? 1 : 2))

/** Median, least and most of what each of the contestants (arguments of a process) takes. */
const measureAll = async (contestants) => {
  const runners = []
  for (const contestant of contestants) {
    const child = fork(here('harness.mjs'), ['--serve', ...contestant], {
      execArgv: ['--expose-gc', '--no-warnings'],
    })
    child.once('exit', (code) => code && process.exit(code))
    await once(child, 'message')
    runners.push({ child, figures: [] })
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < runners.length; i++) {
      const { child, figures } = runners[(i + round) % runners.length]
      child.send('go')
      figures.push((await once(child, 'message'))[0])
    }
  }
  return runners.map(({ child, figures }) => {
    child.disconnect()
    figures.sort((a, b) => a - b)
    return { median: figures[rounds >> 1], min: figures[0], max: figures.at(-1) }
  })
}

const compare = async (file) => {
  const { name, unit, goal = {}, subjects, sizes = [] } = await load(file)
  const names = Object.keys(subjects)
  const measured = await measureAll(names.map((subject) => [file, subject]))
  const results = measured.map((figures, i) => ({
    subject: names[i],
    ...figures,
    ratio: figures.median / measured[0].median,
    goal: goal[names[i]],
  }))
  const grown = names.slice(0, 2).flatMap((subject) => sizes.map((size) => ({ subject, size })))
  const medians = await measureAll(grown.map(({ subject, size }) => [file, subject, String(size)]))
  const growth = grown.map((it, i) => ({ ...it, median: medians[i].median }))
  return { row: file, name, unit, rounds, results, growth }
}

const versions = () => {
  const { dependencies } = JSON.parse(readFileSync(here('package.json'), 'utf8'))
  const version = (it) =>
    JSON.parse(readFileSync(here(`node_modules/${it}/package.json`), 'utf8')).version
  return Object.fromEntries(Object.keys(dependencies).map((it) => [it, version(it)]))
}

const table = ({ name, unit, results }, where) =>
  [
    `### ${name}`,
    '',
    `| | ${unit} | least – most | times ours | goal |`,
    '| --- | ---: | ---: | ---: | --- |',
    ...results.map(({ subject, median, min, max, ratio, goal }) => {
      const verdict = goal ? `≥ ${goal} ${ratio >= goal ? '✓' : '✗'}` : ''
      return `| ${subject} | ${short(median)} | ${short(min)} – ${short(max)} | ${ratio.toFixed(2)} | ${verdict} |`
    }),
    '',
    `Median of ${rounds} rounds. ${where}`,
    '',
  ].join('\n')

const main = async (wanted) => {
  const rows = readdirSync(here('rows')).map((it) => it.replace('.mjs', ''))
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${platform()} ${arch()}`
  mkdirSync(here('results'), { recursive: true })
  for (const row of wanted.length ? wanted : rows) {
    const result = await compare(row)
    const text = table(result, `Node ${process.version}, ${machine}.`)
    const target = here(`results/${row}.node${process.versions.node.split('.')[0]}`)
    const date = new Date().toISOString().slice(0, 10)
    const facts = { ...result, node: process.version, machine, date, versions: versions() }
    writeFileSync(`${target}.md`, text)
    writeFileSync(`${target}.json`, `${JSON.stringify(facts, null, 2)}\n`)
    console.log(text)
  }
}

const [mode, ...rest] = process.argv.slice(2)
await (mode === '--serve' ? serve(...rest) : main(process.argv.slice(2)))
