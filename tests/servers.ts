import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A real server, on a port of its own. */
export interface Server {
  readonly port: number
  start(): Promise<void>
  /** Without a chance to say goodbye, unless `gently`. */
  stop(gently?: boolean): Promise<void>
  /** Stopped, and its data gone. */
  remove(): Promise<void>
}

const { CI, PATH = '' } = process.env

const find = (name: string): string | undefined => {
  const versions = '/usr/lib/postgresql'
  const homes = existsSync(versions)
    ? readdirSync(versions).map((version) => join(versions, version, 'bin'))
    : []
  return [...homes, ...PATH.split(':')]
    .map((home) => join(home, name))
    .find((file) => existsSync(file))
}

const missing = ['initdb', 'postgres', 'redis-server'].filter((name) => !find(name))

/** In CI the servers have to be there. */
export const runnable = missing.length === 0 || !!CI
if (!runnable) {
  console.log(
    `Skipped, since ${missing.join(', ')} are missing: apt-get install postgresql redis-server`,
  )
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })

const id = (flag: string): number =>
  Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))

async function server(
  command: string,
  args: (port: number, dir: string) => string[],
  ready: RegExp,
  init: (dir: string, as: { uid?: number; gid?: number }) => void = () => {},
  as: { uid?: number; gid?: number } = {},
): Promise<Server> {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'uno-async-'))
  if (as.uid !== undefined) chownSync(dir, as.uid, as.gid as number)
  init(dir, as)
  let child: ChildProcess | undefined
  const self: Server = {
    port,
    async start() {
      const running = spawn(find(command) as string, args(port, dir), { ...as, cwd: dir })
      child = running
      await new Promise<void>((resolve, reject) => {
        let log = ''
        const read = (chunk: Buffer): void => {
          log += chunk
          if (ready.test(log)) resolve()
        }
        running.stdout.on('data', read)
        running.stderr.on('data', read)
        running.once('exit', () => reject(new Error(`${command} ended: ${log}`)))
      })
    },
    async stop(gently = false) {
      const running = child
      child = undefined
      if (!running || running.exitCode !== null) return
      const ended = new Promise((resolve) => running.once('exit', resolve))
      running.kill(gently ? 'SIGINT' : 'SIGQUIT')
      await Promise.race([ended, sleep(5_000).then(() => running.kill('SIGKILL'))])
      await ended
    },
    async remove() {
      await self.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  await self.start()
  return self
}

export const startRedis = (): Promise<Server> =>
  server(
    'redis-server',
    (port, dir) => ['--port', `${port}`, '--dir', dir, '--save', '', '--bind', '127.0.0.1'],
    /Ready to accept connections/,
  )

/** PostgreSQL refuses to run as root. */
export const startPostgres = (): Promise<Server> =>
  server(
    'postgres',
    (port, dir) => [
      ...['-D', join(dir, 'data'), '-p', `${port}`, '-k', dir],
      ...['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
    ],
    /ready to accept connections/,
    (dir, as) => {
      const flags = ['-D', join(dir, 'data'), '-U', 'postgres', '-A', 'trust', '--no-sync']
      execFileSync(find('initdb') as string, flags, { ...as, cwd: dir, stdio: 'ignore' })
    },
    process.getuid?.() === 0 ? { uid: id('-u'), gid: id('-g') } : {},
  )
