/**
 * One message to one server and the answer back, over UDP or TCP. Every way out (answer, error, abort) closes
 * the socket, and takes the listener off the signal.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'

export interface DnsServer {
  readonly address: string
  readonly port: number
}

/**
 * Looks at one message that came in: returns what it says, or undefined when it is not the answer that is
 * waited for; throws when it is, and cannot be read.
 */
export type ReadMessage<Answer> = (message: Buffer) => Answer | undefined

/**
 * A socket of its own for each query means a random source port (RFC 5452 section 9.2), and connecting it
 * means that the kernel drops what others send, and reports a closed port at once.
 */
export function exchangeUdp<Answer>(
  server: DnsServer,
  query: Buffer,
  read: ReadMessage<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
    let ended = false
    const end = (settle: () => void): void => {
      if (ended) return
      ended = true
      signal.removeEventListener('abort', onAbort)
      // The listeners stay: a late message or error settles nothing any more, and must not be unhandled. Never
      // removeAllListeners() on a dgram socket: it waits for its own 'listening' to do a close() that came early.
      socket.close()
      settle()
    }
    const fail = (error: unknown): void => end(() => reject(error))
    const onAbort = (): void => fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', fail)
    socket.on('message', (message) => {
      try {
        const answer = read(message)
        if (answer !== undefined) end(() => resolve(answer))
      } catch (error) {
        fail(error)
      }
    })
    socket.connect(server.port, server.address, () => {
      if (ended) return
      socket.send(query, (error) => {
        if (error !== null) fail(error)
      })
    })
  })
}

const LENGTH_BYTES = 2

/** Over TCP each message is led by its length (RFC 1035 section 4.2.2), and may come in any pieces. */
export function exchangeTcp<Answer>(
  server: DnsServer,
  query: Buffer,
  read: ReadMessage<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const socket = connect(server.port, server.address)
    let received = Buffer.alloc(0)
    let ended = false
    const end = (settle: () => void): void => {
      if (ended) return
      ended = true
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      settle()
    }
    const fail = (error: unknown): void => end(() => reject(error))
    const onAbort = (): void => fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', fail)
    socket.on('end', () => fail(new Error(`connection closed after ${received.length} bytes`)))
    socket.on('data', (piece) => {
      received = Buffer.concat([received, piece])
      if (received.length < LENGTH_BYTES) return
      const wanted = LENGTH_BYTES + received.readUInt16BE(0)
      if (received.length < wanted) return
      try {
        const answer = read(received.subarray(LENGTH_BYTES, wanted))
        if (answer === undefined) fail(new Error('the answer is to another question'))
        else end(() => resolve(answer))
      } catch (error) {
        fail(error)
      }
    })
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  })
}
