/** A task with WebSockets, by the package `ws`. `CLOSES`: whether it closes them when it drains; `FINISH_MS`: its `finishMs`. */
import { createServer } from 'node:http'
import { gracefulShutdown } from '../../../src/ecs/index.ts'
import { load } from '../packages/load.ts'

interface Sockets {
  readonly clients: Iterable<{ close(code: number, reason: string): void }>
}

const { WebSocketServer } = await load<{ WebSocketServer: new (options: object) => Sockets }>('ws')
const server = createServer()
const sockets = new WebSocketServer({ server })
const goAway = (): void => {
  // 1001: "going away" (RFC 6455 section 7.4.1). Clients connect again, and DNS does not name this task any more.
  for (const client of sockets.clients) client.close(1001, 'the task leaves')
}
const { CLOSES, FINISH_MS, HOST, PORT } = process.env
gracefulShutdown({
  servers: [server, ...(CLOSES === 'close' ? [{ close: goAway }] : [])],
  onDrain: CLOSES === 'drain' ? goAway : [],
  finishMs: Number(FINISH_MS),
})
server.listen(Number(PORT), HOST, () => console.log('listening'))
