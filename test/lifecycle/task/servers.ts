/** The same small service in each framework. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { Server as NetServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { ShutdownServer } from '../../../src/ecs/index.ts'
import { cert, key } from '../../support/transports/tls.ts'
import { load } from '../packages/load.ts'

/** What a task can speak, and what it is written in. */
export type Kind = 'http' | 'https' | 'h2c' | 'fastify' | 'express' | 'koa' | 'nest'

export interface Service {
  /** As a user passes it to gracefulShutdown. */
  readonly servers: ShutdownServer | readonly ShutdownServer[]
  readonly server: NetServer
  listen(port: number, host: string): Promise<unknown>
  /** The framework's own end, where it has one. */
  close?(): Promise<unknown>
}

/** Calls take up to this long, in ms, so that some are always under way. */
const MAX_WORK_MS = 8

const ANSWER = { ok: true, task: process.env['HOST'] }

async function work(path: string): Promise<void> {
  if (path.startsWith('/slow')) {
    console.log('slow work begins')
    await delay(Number(path.split('=')[1]))
  } else await delay(Math.random() * MAX_WORK_MS)
}

let isReady = true

/** For servers of Node: the body is read, then answered. */
export function handle(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '/'
  if (path === '/flap') {
    isReady = !isReady
    response.end()
    return
  }
  if (path === '/ready') {
    response.writeHead(isReady ? 200 : 503).end()
    return
  }
  if (path === '/endless') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: hello\n\n')
    return
  }
  request.resume()
  request.once('end', () => {
    void work(path).then(() => {
      // Some handlers insist.
      if (path === '/insists') response.setHeader('connection', 'keep-alive')
      response.setHeader('content-type', 'application/json')
      return response.end(JSON.stringify(ANSWER))
    })
  })
}

const listenOn =
  (server: NetServer) =>
  (port: number, host: string): Promise<unknown> =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host, backlog: 4_096 }, resolve)
    })

function plain(server: NetServer): Service {
  return { servers: server, server, listen: listenOn(server) }
}

interface Fastify {
  readonly server: Server
  post(path: string, handler: (request: { url: string }) => Promise<unknown>): void
  listen(options: object): Promise<unknown>
  close(): Promise<unknown>
}

interface App {
  use(...args: readonly unknown[]): void
  post(
    path: string,
    handler: (request: IncomingMessage, response: { json(body: unknown): void }) => unknown,
  ): void
  callback(): (request: IncomingMessage, response: ServerResponse) => void
}

interface NestApp {
  getHttpServer(): Server
  listen(port: number, host: string): Promise<unknown>
  close(): Promise<unknown>
}

type Decorator = (...args: readonly unknown[]) => unknown

export const SERVICES: Readonly<Record<Kind, () => Promise<Service>>> = {
  http: async () => plain(createServer(handle)),
  https: async () => plain(createHttpsServer({ key, cert }, handle)),
  h2c: async () => plain(createHttp2Server(handle as never)),

  async fastify() {
    const { fastify } = await load<{ fastify(): Fastify }>('fastify')
    const app = fastify()
    app.post('/*', async ({ url }) => {
      await work(url)
      return ANSWER
    })
    const listen = (port: number, host: string): Promise<unknown> =>
      app.listen({ port, host, backlog: 4_096 })
    return { servers: app, server: app.server, listen, close: () => app.close() }
  },

  async express() {
    const { default: express } = await load<{ default: (() => App) & { json(): unknown } }>('express')
    const app = express()
    app.use(express.json())
    app.post('/*path', async (request, response) => {
      await work(request.url ?? '')
      response.json(ANSWER)
    })
    return plain(createServer(app as never))
  },

  async koa() {
    const { default: Koa } = await load<{ default: new () => App }>('koa')
    const app = new Koa()
    app.use(async (context: { url: string; req: IncomingMessage; body: unknown }) => {
      context.req.resume()
      await once(context.req, 'end')
      await work(context.url)
      context.body = ANSWER
    })
    return plain(createServer(app.callback()))
  },

  async nest() {
    await load('reflect-metadata')
    const { Module, Controller, Post } =
      await load<Record<string, (...args: unknown[]) => Decorator>>('@nestjs/common')
    const { NestFactory } = await load<{
      NestFactory: { create(module: unknown, options: object): Promise<NestApp> }
    }>('@nestjs/core')
    class Orders {
      async create(): Promise<object> {
        await work('')
        return ANSWER
      }
    }
    Post?.('*path')(Orders.prototype, 'create', Object.getOwnPropertyDescriptor(Orders.prototype, 'create'))
    Controller?.()(Orders)
    class Root {
      readonly name = 'root'
    }
    Module?.({ controllers: [Orders] })(Root)
    const app = await NestFactory.create(Root, { logger: ['error'] })
    return {
      servers: app,
      server: app.getHttpServer(),
      listen: (port, host) => app.listen(port, host),
      close: () => app.close(),
    }
  },
}
