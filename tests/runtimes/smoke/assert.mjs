const text = (value) =>
  JSON.stringify(value, (_, it) =>
    it === undefined || typeof it === 'bigint' || Number.isNaN(it) || Math.abs(it) === Infinity
      ? `${typeof it} ${it}`
      : it,
  )

/** Are they the same, or alike as plain data? */
export function equal(actual, expected) {
  if (Object.is(actual, expected)) return
  const [found, wanted] = [text(actual), text(expected)]
  if (found !== wanted || typeof actual !== typeof expected || found === '{}') {
    throw new Error(`expected ${wanted}, got ${found}`)
  }
}

/** What `promise` or `fn` fails with. */
export async function errorOf(failing) {
  try {
    await (typeof failing === 'function' ? failing() : failing)
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

/** Does it fail with an error of this class, by `instanceof`? Gives the error. */
export async function fails(failing, kind) {
  const error = await errorOf(failing)
  if (!(error instanceof kind)) throw new Error(`expected a ${kind.name}, got ${error}`)
  return error
}
