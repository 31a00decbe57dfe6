/** A WebSocket server of `ws`: it answers each message with its address. */
import { load } from './packages/load.ts'

interface Socket {
  on(event: 'message', listener: () => void): void
  send(text: string): void
}

const { WebSocketServer } = await load<{
  WebSocketServer: new (options: object) => {
    on(event: 'connection', listener: (socket: Socket) => void): void
  }
}>('ws')
const [address = '', port] = process.argv.slice(2)
const server = new WebSocketServer({ host: address, port: Number(port) })
server.on('connection', (socket) => socket.on('message', () => socket.send(address)))
