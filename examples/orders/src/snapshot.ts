/** What the dashboard shows, sent twice a second. Durations in ms. */
export interface Snapshot {
  at: number // Date.now()
  instance: string // name of this process
  state: string // state of the manager: 'starting' | 'running' | 'stopping' | 'stopped' …
  tasks: TaskNode // live task tree
  pool: { size: number; idle: number; borrowed: number; waiting: number; max: number }
  limiters: { name: string; kind: string; active: number; waiting: number; limit: number }[]
  cache: { name: string; hits: number; misses: number; stale: number; size: number }[]
  requests: {
    total: number
    inFlight: number
    cancelled: number
    retried: number
    refused: number
    failed: number
  }
  latency: { p50: number; p95: number; p99: number; recent: number[] } // recent: durations since the last snapshot
  events: { pending: number; delivered: number; dead: number }
  lastShutdown?: { at: number; ok: boolean; lines: string[] }
}

export interface TaskNode {
  name: string
  state: string
  age: number
  children: TaskNode[]
}
