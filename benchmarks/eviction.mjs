// node benchmarks/eviction.mjs: how often each way of evicting has what is asked for. Prints the table of docs/guides/cache.md.
// Needs the built packages. What is ours goes through AsyncCache itself; SIEVE is here to compare with.
import { AsyncCache } from '../packages/cache/dist/index.js'

const KEYS = 1_000_000
const REQUESTS = 1_000_000
const SIZES = [1_000, 10_000, 100_000]

let seed = 0
const random = () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return seed / 2 ** 32
}

const zipf = (skew) => {
  const sums = new Float64Array(KEYS)
  let sum = 0
  for (let i = 0; i < KEYS; i++) sums[i] = sum += 1 / (i + 1) ** skew
  return () => {
    const at = random() * sum
    let low = 0
    let high = KEYS - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle] < at) low = middle + 1
      else high = middle
    }
    return low
  }
}

const scans = (skew) => {
  const next = zipf(skew)
  let left = 0
  let at = 0
  return () => {
    // scans of 20 000 keys that nobody asks for again, a quarter of all requests
    if (!left && random() < 1 / 60_000) left = 20_000
    if (!left) return next()
    left--
    return KEYS + at++
  }
}

const shifts = (skew) => {
  const next = zipf(skew)
  let i = 0
  return () => (next() + Math.floor((i++ * 7) / REQUESTS) * 142_857) % KEYS
}

const workloads = {
  'Zipf 0.7': () => zipf(0.7),
  'Zipf 0.8': () => zipf(0.8),
  'Zipf 0.9': () => zipf(0.9),
  'Zipf 1.0': () => zipf(1),
  'Zipf 1.2': () => zipf(1.2),
  'Zipf 0.9, 25 % scans': () => scans(0.9),
  'Zipf 0.9, six shifts': () => shifts(0.9),
  'a loop of twice the size': (size) => {
    let i = 0
    return () => i++ % (size * 2)
  },
  'a sliding window of the size': (size) => {
    let i = 0
    return () => Math.floor(i++ / 10) + Math.floor(random() * size)
  },
}

const ours = (eviction) => (size, next) => {
  const cache = new AsyncCache({ maxSize: size, eviction, load: (key) => key })
  for (let i = 0; i < REQUESTS; i++) void cache.get(next())
  return cache.stats().hits / REQUESTS
}

const sieve = (size, next) => {
  const entries = new Map()
  let head // newest
  let tail
  let hand
  let hits = 0
  for (let i = 0; i < REQUESTS; i++) {
    const key = next()
    const found = entries.get(key)
    if (found) {
      found.visited = true
      hits++
      continue
    }
    if (entries.size >= size) {
      let it = hand ?? tail
      for (; it.visited; it = it.newer ?? tail) it.visited = false
      hand = it.newer
      entries.delete(it.key)
      if (it.newer) it.newer.older = it.older
      else head = it.older
      if (it.older) it.older.newer = it.newer
      else tail = it.newer
    }
    const entry = { key, visited: false, older: head, newer: undefined }
    if (head) head.newer = entry
    else tail = entry
    head = entry
    entries.set(key, entry)
  }
  return hits / REQUESTS
}

const policies = { 's3-fifo': ours('s3-fifo'), lru: ours('lru'), SIEVE: sieve }

console.log(`| hit ratio, % | ${SIZES.map((it) => `${it / 10_000} % of the keys`).join(' | ')} |`)
console.log(`| --- |${' ---: |'.repeat(SIZES.length)}`)
for (const [name, workload] of Object.entries(workloads)) {
  const cells = SIZES.map((size) =>
    Object.values(policies)
      .map((run) => {
        seed = 1
        return (100 * run(size, workload(size))).toFixed(1)
      })
      .join(' / '),
  )
  console.log(`| ${name} | ${cells.join(' | ')} |`)
}
