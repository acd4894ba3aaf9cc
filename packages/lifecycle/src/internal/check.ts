import { badValue } from '@uno-async/core'

/** Checks those of the options that are given. */
export function checkGiven<O extends object>(
  options: O,
  check: (option: string, value: unknown) => unknown,
  ...names: (keyof O & string)[]
): void {
  for (const name of names) if (options[name] !== undefined) check(name, options[name])
}

/** @throws TypeError */
export function checkString(option: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw badValue(option, 'a string', value, TypeError)
}

/** @throws TypeError unless value is one of these */
export function oneOf(option: string, value: unknown, values: readonly unknown[]): void {
  if (values.includes(value)) return
  const expected = values.map((each) => (typeof each === 'string' ? `'${each}'` : String(each)))
  throw badValue(option, expected.join(' or '), value, TypeError)
}
