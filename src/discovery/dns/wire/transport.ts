/**
 * One message to one server and the answer back, over UDP or TCP. Every way out (answer, error, abort) closes
 * the socket, and takes the listener off the signal.
 *
 * Sockets do not keep the process alive: most lookups are refreshes, which no caller waits for. A call that waits keeps it
 * alive by itself.
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
  return exchange(read, signal, ({ take, fail, isOver }) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4').unref()
    socket.on('error', fail)
    socket.on('message', take)
    // An event and no callback of connect(): with a callback, Node gives it the error (no route, EACCES) and emits none.
    socket.on('connect', () => {
      if (isOver()) return
      socket.send(query, (error) => {
        if (error !== null) fail(error)
      })
    })
    socket.connect(server.port, server.address)
    // The listeners stay: a late message or error settles nothing any more, and must not be unhandled. Never
    // removeAllListeners() on a dgram socket: it waits for its own 'listening' to do a close() that came early.
    return () => socket.close()
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
  return exchange(read, signal, ({ take, fail }) => {
    const socket = connect(server.port, server.address).unref()
    const pieces: Buffer[] = []
    let bytes = 0
    let wanted = Number.POSITIVE_INFINITY
    socket.on('error', fail)
    socket.on('end', () => fail(new Error(`connection closed after ${bytes} bytes`)))
    socket.on('data', (piece) => {
      pieces.push(piece)
      bytes += piece.length
      if (bytes < LENGTH_BYTES) return
      if (wanted === Number.POSITIVE_INFINITY) wanted = LENGTH_BYTES + Buffer.concat(pieces).readUInt16BE(0)
      if (bytes < wanted) return
      take(Buffer.concat(pieces).subarray(LENGTH_BYTES, wanted))
      // Does nothing if it was the answer. One connection brings one message: no other will follow.
      fail(new Error('the answer is to another question'))
    })
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
    return () => socket.destroy()
  })
}

interface Exchange {
  /** Ends the exchange if the message is the answer, or cannot be read. */
  readonly take: (message: Buffer) => void
  readonly fail: (error: unknown) => void
  readonly isOver: () => boolean
}

/**
 * What both ways have in common: the first answer, error or abort counts, and closes the socket.
 * @param open opens it, and returns how to close it; calls nothing of the exchange before that
 */
function exchange<Answer>(
  read: ReadMessage<Answer>,
  signal: AbortSignal,
  open: (exchange: Exchange) => () => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    let ended = false
    const end = (settle: () => void): void => {
      if (ended) return
      ended = true
      signal.removeEventListener('abort', onAbort)
      close()
      settle()
    }
    const fail = (error: unknown): void => end(() => reject(error))
    const take = (message: Buffer): void => {
      try {
        const answer = read(message)
        if (answer !== undefined) end(() => resolve(answer))
      } catch (error) {
        fail(error)
      }
    }
    const onAbort = (): void => fail(signal.reason)
    const close = open({ take, fail, isOver: () => ended })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
