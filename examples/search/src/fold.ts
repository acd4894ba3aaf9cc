/** Without case and accents, a character for a character: `São` → `sao`. */
export function fold(text: string): string {
  return text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')
}

/** Where a word of `text` begins with `query`, else -1. */
export function findWord(text: string, query: string): number {
  return ` ${text.replace(/[-'’]/g, ' ')}`.indexOf(` ${query.replace(/[-'’]/g, ' ')}`)
}
