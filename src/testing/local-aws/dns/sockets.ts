import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { untilPortsAreFree } from '../../ports.ts'
import { LOOPBACK } from '../loopback-http.ts'

export type Transport = 'udp' | 'tcp'

/**
 * Sends a message back, and does nothing once the asker has gone.
 * @param from `another-port`: as if it came from another server (UDP; a TCP connection knows no other) [`here`]
 */
export type Reply = (message: Buffer, from?: 'here' | 'another-port') => void

export type OnMessage = (message: Buffer, transport: Transport, reply: Reply) => void

const LENGTH_BYTES = 2

/** A UDP and a TCP socket on one port of 127.0.0.1, and the framing of messages on both. */
export class DnsSockets {
  readonly #onMessage: OnMessage
  readonly #connections = new Set<Socket>()
  #tcp: Server | undefined
  #udp: UdpSocket | undefined
  #port = 0

  constructor(onMessage: OnMessage) {
    this.#onMessage = onMessage
  }

  get port(): number {
    return this.#port
  }

  /** The kernel picks a port that is free for TCP; for UDP it may be taken, so it may need several. */
  async listen(): Promise<void> {
    await untilPortsAreFree(async () => {
      try {
        await this.#listenOnce()
      } catch (error) {
        await this.close()
        throw error
      }
    })
  }

  async close(): Promise<void> {
    const [udp, tcp] = [this.#udp, this.#tcp]
    this.#udp = undefined
    this.#tcp = undefined
    for (const connection of this.#connections) connection.destroy()
    if (udp !== undefined) await once(udp.close(), 'close')
    if (tcp?.listening === true) await once(tcp.close(), 'close')
  }

  async #listenOnce(): Promise<void> {
    const tcp = createServer((connection) => this.#converse(connection))
    this.#tcp = tcp
    tcp.listen(0, LOOPBACK)
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    const udp = createSocket('udp4')
    this.#udp = udp
    udp.bind(port, LOOPBACK)
    await once(udp, 'listening')
    // A datagram to an asker that has gone comes back as an error: no concern of a server.
    udp.on('error', () => {})
    udp.on('message', (message, asker) =>
      this.#onMessage(message, 'udp', (reply, from) => {
        if (this.#udp !== udp) return
        if (from === 'another-port') sendOnce(reply, asker)
        else udp.send(reply, asker.port, asker.address)
      }),
    )
    this.#port = port
  }

  /** Each message is led by its length (RFC 1035 section 4.2.2), and one connection may bring several. */
  #converse(connection: Socket): void {
    this.#connections.add(connection)
    connection.on('close', () => this.#connections.delete(connection))
    connection.on('error', () => {})
    let received = Buffer.alloc(0)
    connection.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= LENGTH_BYTES) {
        const end = LENGTH_BYTES + received.readUInt16BE(0)
        if (received.length < end) return
        const message = received.subarray(LENGTH_BYTES, end)
        received = received.subarray(end)
        this.#onMessage(message, 'tcp', (reply) => {
          const length = Buffer.alloc(LENGTH_BYTES)
          length.writeUInt16BE(reply.length)
          if (connection.writable) connection.write(Buffer.concat([length, reply]))
        })
      }
    })
  }
}

/** From a socket of its own, and so from a port that is not the server's. */
function sendOnce(message: Buffer, { port, address }: RemoteInfo): void {
  const socket = createSocket('udp4')
  socket.send(message, port, address, () => socket.close())
}
