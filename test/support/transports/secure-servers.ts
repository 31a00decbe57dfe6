import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import type { RequestListener } from 'node:http'
import type { Server as NetServer } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { LoopbackServer, onOnePort } from '../loopback-server.ts'
import { cert, key } from './tls.ts'

export type SecureTask = LoopbackServer

/** One task for each server, on 127.0.1.1, 127.0.1.2, ... with one port, as the tasks of a service have. */
export function secureTasks(makers: readonly (() => NetServer)[]): Promise<SecureTask[]> {
  return onOnePort(makers.map((make) => () => new LoopbackServer(make())))
}

/** HTTP/1.1 over TLS. Handshakes that fail are not its concern. */
export function https(answer: RequestListener, options: ServerOptions = {}): NetServer {
  const server = createHttpsServer({ key, cert, ...options }, answer)
  server.on('tlsClientError', () => undefined)
  return server
}

/** HTTP/2 over TLS, stream by stream. */
export function http2(answer: (stream: ServerHttp2Stream) => void, options: object = {}): NetServer {
  const server = createSecureServer({ key, cert, ...options })
  server.on('stream', (stream) => {
    // Those that are reset on purpose.
    stream.on('error', () => undefined)
    answer(stream)
  })
  server.on('sessionError', () => undefined)
  return server
}

/** RFC 9113 section 4.1. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

export function words(...numbers: readonly number[]): Buffer {
  const buffer = Buffer.alloc(4 * numbers.length)
  for (const [index, number] of numbers.entries()) buffer.writeUInt32BE(number, 4 * index)
  return buffer
}

const PREFACE_BYTES = 24
const HEADERS = 1
const SETTINGS = 4
const ACK = 1

/**
 * HTTP/2 over TLS, frame by frame: what Node's own server would not send.
 * @param answer called for each request, when its headers have come in
 */
export function http2Frames(answer: (socket: TLSSocket, stream: number) => void): NetServer {
  return createTlsServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => undefined)
    socket.write(frame(SETTINGS, 0, 0))
    let unread = Buffer.alloc(0)
    let hasPreface = false
    socket.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk])
      if (!hasPreface) {
        if (unread.length < PREFACE_BYTES) return
        hasPreface = true
        unread = unread.subarray(PREFACE_BYTES)
      }
      while (unread.length >= 9) {
        const length = unread.readUIntBE(0, 3)
        if (unread.length < 9 + length) return
        const type = unread.readUInt8(3)
        const flags = unread.readUInt8(4)
        const stream = unread.readUInt32BE(5)
        unread = unread.subarray(9 + length)
        if (type === SETTINGS && (flags & ACK) === 0) socket.write(frame(SETTINGS, ACK, 0))
        if (type === HEADERS) answer(socket, stream)
      }
    })
  })
}
