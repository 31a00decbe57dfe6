/** Servers that shut down within the test's process, on virtual time, and raw connections to them. */
import { once } from 'node:events'
import { Server as HttpServer } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import { connect, type Server, type Socket } from 'node:net'
import { gracefulShutdown, type Shutdown, type ShutdownOptions } from 'onehop/ecs'
import { manualClock, type ManualClock } from 'onehop/testing'
import { onTestFinished } from 'vitest'
import { listening, portOf } from '../loopback-server.ts'

const HOST = '127.0.0.1'

/** Short times, no signals, no exit. */
export const QUICK = {
  signals: [],
  exit: false,
  env: {},
  stopTimeoutMs: 5_000,
  quietMs: 50,
  finishMs: 1_000,
  closeMs: 200,
  marginMs: 50,
} as const

export interface Leaving<Kind extends Server> {
  readonly server: Kind
  readonly shutdown: Shutdown
  /** No window and no limit of the shutdown ends before the test moves it on. What sockets do needs no time. */
  readonly clock: ManualClock
  readonly port: number
}

/** Installed before the server listens, and begun at the end of the test if not before. */
export async function leaving<Kind extends Server>(
  server: Kind,
  options: Partial<ShutdownOptions> = {},
  clock: ManualClock = manualClock(),
): Promise<Leaving<Kind>> {
  const settings = { ...QUICK, clock, ...options }
  const shutdown = gracefulShutdown({ servers: server, ...settings })
  // Node's own limit must not end a connection that the shutdown should end.
  if (server instanceof HttpServer || server instanceof HttpsServer) server.keepAliveTimeout = 120_000
  await listening(server)
  onTestFinished(async () => {
    const over = shutdown.begin()
    await clock.advance(settings.stopTimeoutMs)
    await over
    server.close()
  })
  return { server, shutdown, clock, port: portOf(server) }
}

/** One plain connection, which collects what comes back. */
export class Wire {
  text = ''
  readonly socket: Socket
  readonly closed: Promise<unknown>

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('utf8').on('data', (chunk) => (this.text += String(chunk)))
    socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    onTestFinished(() => void socket.destroy())
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, HOST)
    await once(socket, 'connect')
    return new Wire(socket)
  }

  /** One request of HTTP/1.1. */
  ask(path = '/', method = 'GET', headers = ''): void {
    this.socket.write(`${method} ${path} HTTP/1.1\r\nhost: orders\r\n${headers}\r\n`)
  }

  /** Until that has come in. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) {
      if (this.socket.closed) throw new Error(`closed without ${pattern}: ${JSON.stringify(this.text)}`)
      await Promise.race([once(this.socket, 'data'), this.closed])
    }
    return this.text
  }
}
