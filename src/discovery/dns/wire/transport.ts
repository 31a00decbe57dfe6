/**
 * One message to one server and the answer back, over UDP or TCP. Every way out (answer, error, abort) closes the socket,
 * and takes the listeners off the signal.
 *
 * Sockets do not keep the process alive: most lookups are refreshes, which no caller waits for. A call that waits keeps it
 * alive by itself.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { addAbortSignal } from 'node:stream'
import { abortable } from '../../../core/async/abortable.ts'

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
export async function exchangeUdp<Answer>(
  server: DnsServer,
  query: Buffer,
  read: ReadMessage<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4').unref()
  // Both stay: a late error or message settles nothing any more, and must not be unhandled.
  socket.on('error', reject)
  socket.on('message', (message) => {
    try {
      const answer = read(message)
      if (answer !== undefined) resolve(answer)
    } catch (error) {
      reject(error)
    }
  })
  const send = (): void => socket.send(query, (error) => error !== null && reject(error))
  // An event and no callback of connect(): with a callback, Node gives it the error (no route, EACCES) and emits none.
  socket.on('connect', send)
  socket.connect(server.port, server.address)
  try {
    return await abortable(promise, signal)
  } finally {
    socket.off('connect', send)
    // Never removeAllListeners() on a dgram socket: it waits for its own 'listening' to do a close() that came early.
    socket.close()
  }
}

const LENGTH_BYTES = 2

/** Over TCP each message is led by its length (RFC 1035 section 4.2.2), and may come in any pieces. */
export async function exchangeTcp<Answer>(
  server: DnsServer,
  query: Buffer,
  read: ReadMessage<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  signal.throwIfAborted()
  const socket = connect(server.port, server.address).unref()
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(query.length)
  socket.write(Buffer.concat([length, query]))
  const pieces: Buffer[] = []
  let bytes = 0
  let wanted: number | undefined
  try {
    for await (const piece of addAbortSignal(signal, socket)) {
      pieces.push(piece as Buffer)
      bytes += (piece as Buffer).length
      if (bytes < LENGTH_BYTES) continue
      wanted ??= LENGTH_BYTES + Buffer.concat(pieces).readUInt16BE(0)
      if (bytes < wanted) continue
      const answer = read(Buffer.concat(pieces).subarray(LENGTH_BYTES, wanted))
      // One connection brings one message: no other will follow.
      if (answer === undefined) throw new Error('the answer is to another question')
      return answer
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  throw new Error(`connection closed after ${bytes} bytes`)
}
