import { AsyncExitStack } from '@uno-async/context'
import { CancellationToken, CancellationTokenSource, delay } from '@uno-async/core'
import { readConfig } from '../src/config.js'
import { startPostgres } from '../src/database/postgres.js'
import { Session } from '../src/database/session.js'
import { audit } from './audit.js'
import { balance, Instance } from './fleet.js'
import { Traffic } from './traffic.js'

// Three instances on one database; one is killed under load. What it had begun is done by the others.
const { DATABASE_URL, REDIS_URL, DATA } = readConfig()
using source = new CancellationTokenSource({ name: 'three' })
// Only we tell the instances to stop: what Ctrl+C ends without that would leave them behind.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => source.cancel())

const run = async (stack: AsyncExitStack, token: CancellationToken): Promise<void> => {
  let url = DATABASE_URL
  if (!url) {
    const postgres = await startPostgres(`${DATA}/postgres`, token)
    stack.defer(() => postgres.close())
    url = postgres.url
  }
  const env = { DATABASE_URL: url, REDELIVER: '2000', ...(REDIS_URL && { REDIS_URL }) }
  const instances = await Promise.all(
    ['one', 'two', 'three'].map(async (name) => {
      const instance = await Instance.start({ ...env, INSTANCE: name })
      stack.defer(() => instance.stop('SIGTERM'))
      console.log(`${name} serves ${instance.url}`)
      return instance
    }),
  )
  const { server, url: front } = await balance(() => instances.map(({ url }) => url))
  stack.defer(() => server.close())

  await using traffic = new Traffic(() => front).open(16)
  await delay(4_000, { signal: token })
  console.log(`kill -9 one: ${await instances[0]?.stop('SIGKILL')}`)
  await delay(4_000, { signal: token })
  await traffic.close()

  const session = await Session.open(url, CancellationToken.none)
  stack.defer(() => session.close())
  const db = session.under(CancellationToken.timeout(60_000))
  let books = await audit(db, traffic.told)
  while (books.events.pending) {
    await delay(250, { signal: token })
    books = await audit(db, traffic.told)
  }
  console.log({
    answers: Object.fromEntries(traffic.answers),
    accepted: traffic.told.size,
    ...books,
  })
  process.exitCode = books.lost.length ? 1 : 0
}

try {
  await AsyncExitStack.run(run, { signal: source.token })
} catch (error) {
  if (!source.token.owns(error)) throw error
  process.exitCode = 130
}
