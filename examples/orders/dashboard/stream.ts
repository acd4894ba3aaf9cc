import type { Snapshot } from '../src/snapshot.js'

/**
 * Hands over each snapshot. When the stream ends, or is silent for five seconds, it says so and connects anew
 * every second: an EventSource of its own accord gives up where it gets an answer that is not a stream.
 */
export function watch(
  url: string,
  onSnapshot: (snapshot: Snapshot) => void,
  onLost: () => void,
): void {
  let source: EventSource
  let timer = 0
  const connect = () => {
    source = new EventSource(url)
    source.onerror = reconnect
    source.onmessage = ({ data }) => {
      expectMore()
      onSnapshot(JSON.parse(data))
    }
    expectMore()
  }
  const expectMore = () => {
    clearTimeout(timer)
    timer = window.setTimeout(reconnect, 5_000)
  }
  const reconnect = () => {
    source.close()
    clearTimeout(timer)
    timer = window.setTimeout(connect, 1_000)
    onLost()
  }
  connect()
}
