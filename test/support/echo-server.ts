import { createServer, type Socket } from 'node:net'
import { LoopbackServer } from './loopback-server.ts'

/** A TCP server on one of 127.0.0.0/8 that says its address first, then what it gets. */
export class EchoServer extends LoopbackServer {
  /** @param port 0 for a free one */
  static start(
    address: string,
    port = 0,
    served: (socket: Socket, label: string) => void = echo,
  ): Promise<EchoServer> {
    const server = new EchoServer(createServer((socket) => served(socket, server.label)))
    return server.listen(address, port)
  }
}

function echo(socket: Socket, label: string): void {
  socket.write(label)
  socket.pipe(socket)
}
