import { readFileSync } from 'node:fs'
import { findWord, fold } from '../src/fold.js'
import type { Answer, City } from '../src/types.js'

const file = new URL('../data/cities.tsv', import.meta.url)

/** The cities with at least 100 000 inhabitants, largest first. */
const cities = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [id = '', name = '', country = '', ...numbers] = line.split('\t')
    const [population = 0, latitude = 0, longitude = 0] = numbers.map(Number)
    return { id: Number(id), name, country, population, latitude, longitude, folded: fold(name) }
  })

const byId = new Map(cities.map((city) => [city.id, city]))

/** Cities of which a word begins with `query`; those whose first word does come first. */
export function search(query: string, limit = 10): Answer {
  const wanted = fold(query.trim())
  const found = cities
    .map(({ id, name, folded }) => ({ id, name, where: findWord(folded, wanted) }))
    .filter(({ where }) => where >= 0)
    .sort((a, b) => Math.min(a.where, 1) - Math.min(b.where, 1))
  return {
    total: found.length,
    hits: found.slice(0, limit).map(({ id, name }) => ({ id, name })),
  }
}

/** What is known of these cities, in their order; of one that is not known, null. */
export function find(ids: readonly number[]): (City | null)[] {
  return ids.map((id) => {
    const city = byId.get(id)
    if (!city) return null
    const { country, population, latitude, longitude } = city
    return { country, population, latitude, longitude }
  })
}
