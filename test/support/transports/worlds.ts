import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { Server } from 'node:net'
import type { Pool } from 'undici'
import { LoopbackServer } from '../loopback-server.ts'
import { ca, cert, key } from './tls.ts'

/** How tasks are spoken to. */
export type World = 'http' | 'https' | 'h2'
export const WORLDS: readonly World[] = ['http', 'https', 'h2']

export type WorldAnswer = (request: IncomingMessage, response: ServerResponse) => void

/** One task on 127.0.1.x, in one of the worlds; what tests want to know of its connections. */
export class WorldServer extends LoopbackServer {
  /** Most connections at once. */
  peak = 0
  /** Connections ever. */
  connections = 0
  /** Requests that came in, in order: the method and the path. */
  readonly seen: string[] = []

  private constructor(world: World, answer: WorldAnswer) {
    super(
      serverOf(world, (request, response) => {
        request.on('error', () => undefined)
        response.on('error', () => undefined)
        this.seen.push(`${request.method} ${request.url}`)
        answer(request, response)
      }),
    )
    this.server.on('connection', () => {
      this.connections++
      this.peak = Math.max(this.peak, this.sockets.size)
    })
  }

  /** One that does not listen yet. */
  static of(world: World, answer: WorldAnswer): WorldServer {
    return new WorldServer(world, answer)
  }

  static start(world: World, answer: WorldAnswer, address = '127.0.1.1', port = 0): Promise<WorldServer> {
    return WorldServer.of(world, answer).listen(address, port)
  }

  /** Takes no more connections, and breaks those that are open unless they are to be left. */
  stop(breaks = true): void {
    this.server.close()
    if (breaks) for (const socket of this.sockets) socket.destroy()
  }
}

function serverOf(world: World, listener: WorldAnswer): Server {
  if (world === 'http') return createServer(listener)
  if (world === 'https') return createTlsServer({ key, cert }, listener)
  const server = createSecureServer({ key, cert }, listener as never)
  server.on('sessionError', () => undefined)
  return server
}

export function originIn(world: World): string {
  return `${world === 'http' ? 'http' : 'https'}://orders.shop.local`
}

export function poolIn(world: World, pool: Pool.Options = {}): Pool.Options {
  if (world === 'http') return pool
  return { connect: { ca }, ...(world === 'h2' ? { allowH2: true } : {}), ...pool }
}
