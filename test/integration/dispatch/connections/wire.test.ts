/** What HTTP has beside a request and its response, over real servers. */
import { createServer, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress } from '../../../support/servers.ts'
import { ca, cert, key } from '../../../support/transports/tls.ts'

const { keep, servers } = resources()

interface Switching {
  readonly label: string
  /** Requests to switch that came in. */
  readonly seen: string[]
}

/** A server that does what it is told to when somebody wants to switch protocols, or a tunnel. */
async function switching(
  address: string,
  event: 'upgrade' | 'connect',
  answer: (socket: Duplex) => void,
): Promise<Switching> {
  const seen: string[] = []
  const sockets = new Set<Duplex>()
  const server: Server = createServer()
  server.on(event, (request, socket: Duplex) => {
    seen.push(`${request.method} ${request.url}`)
    sockets.add(socket)
    socket.on('error', () => undefined)
    answer(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  keep({
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  })
  return { label: `${address}:${(server.address() as AddressInfo).port}`, seen }
}

const SWITCHES = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n'
const upgrade = { path: '/chat', origin: ORIGIN, protocol: 'echo' }

async function firstData(socket: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })
}

function echo(head: string): (socket: Duplex) => void {
  return (socket) => {
    socket.write(head)
    socket.on('data', (chunk: Buffer) => socket.write(chunk))
  }
}

describe('an upgrade', () => {
  test('is connected elsewhere when a task refuses, and sent elsewhere when one answers 503', async () => {
    const busy = await switching('127.0.1.1', 'upgrade', (socket) => {
      socket.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n')
    })
    const good = await switching('127.0.1.2', 'upgrade', echo(SWITCHES))
    const client = keep(clientOf([await refusingAddress(), busy.label, good.label]))
    const { socket } = await client.dispatcher.upgrade(upgrade)
    socket.write('hello')
    expect(await firstData(socket)).toBe('hello')
    expect([busy.seen, good.seen]).toEqual([['GET /chat'], ['GET /chat']])
    expect(client.inspect().callsUnderWay).toBe(0)
    socket.destroy()
  })

  test('is never sent again after the switch, and its end does not count against the task', async () => {
    const tasks = [
      await switching('127.0.1.1', 'upgrade', (socket) => {
        socket.write(SWITCHES)
        socket.once('data', () => socket.destroy())
      }),
      await switching('127.0.1.2', 'upgrade', echo(SWITCHES)),
    ]
    const client = keep(clientOf(tasks))
    const { socket } = await client.dispatcher.upgrade(upgrade)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.write('hello')
    await closed
    expect(tasks.map(({ seen }) => seen.length)).toEqual([1, 0])
    const { upstreams = [] } = client.inspect().services['orders.shop.local']?.origins[ORIGIN] ?? {}
    expect(upstreams.map(({ failures, pending }) => [failures, pending])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('that a task declines for good fails, and is not sent to others', async () => {
    const tasks = [
      await switching('127.0.1.1', 'upgrade', (socket) => {
        socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n')
      }),
      await switching('127.0.1.2', 'upgrade', echo(SWITCHES)),
    ]
    const client = keep(clientOf(tasks))
    await expect(client.dispatcher.upgrade(upgrade)).rejects.toThrow('bad upgrade')
    expect(tasks.map(({ seen }) => seen.length)).toEqual([1, 0])
    expect(client.inspect().callsUnderWay).toBe(0)
  })
})

describe('a CONNECT', () => {
  const tunnel = { path: 'orders.shop.local:443', origin: ORIGIN }

  test('is connected elsewhere when a task refuses, and a tunnel from then on', async () => {
    const good = await switching('127.0.1.2', 'connect', echo('HTTP/1.1 200 OK\r\n\r\n'))
    const client = keep(clientOf([await refusingAddress(), good.label]))
    const { socket, statusCode } = await client.dispatcher.connect(tunnel)
    expect(statusCode).toBe(200)
    socket.write('hello')
    expect(await firstData(socket)).toBe('hello')
    socket.destroy()
  })

  test('is not sent again when the task breaks off before it answers', async () => {
    const tasks = [
      await switching('127.0.1.1', 'connect', (socket) => socket.destroy()),
      await switching('127.0.1.2', 'connect', echo('HTTP/1.1 200 OK\r\n\r\n')),
    ]
    const client = keep(clientOf(tasks))
    await expect(client.dispatcher.connect(tunnel)).rejects.toMatchObject({
      code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
    })
    expect(tasks.map(({ seen }) => seen.length)).toEqual([1, 0])
  })
})

describe('Retry-After', () => {
  test('is waited for when the same task is asked again', async () => {
    const times: number[] = []
    const tasks = await servers(1, (_request, response) => {
      times.push(performance.now())
      if (times.length === 1) response.writeHead(503, { 'retry-after': '1' })
      response.end('ok')
    })
    const client = keep(clientOf(tasks))
    const { statusCode, body } = await client.request(ORIGIN)
    expect([statusCode, await body.text()]).toEqual([200, 'ok'])
    // It is counted from when the answer was heard; timers may be early by a millisecond.
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(999)
  })

  test('of one task does not hold up a call that can go to another', async () => {
    const tasks = await servers(2)
    if (tasks[0] !== undefined)
      tasks[0].answer = (_request, response) => void response.writeHead(503, { 'retry-after': '3600' }).end()
    const client = keep(clientOf(tasks))
    expect(await client.request(ORIGIN).then(({ body }) => body.text())).toBe(tasks[1]?.label)
  })
})

describe('connections that tasks close', () => {
  test('after each answer lose no call, whatever its method', async () => {
    const tasks = await servers(2, (_request, response) => {
      response.writeHead(200, { connection: 'close' })
      response.end('ok')
    })
    const client = keep(clientOf(tasks))
    const calls = Array.from({ length: 200 }, (_, index) =>
      client
        .request(ORIGIN, index % 2 === 0 ? {} : { method: 'POST', body: 'x' })
        .then(({ body }) => body.text()),
    )
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
    expect(tasks.reduce((sum, { seen }) => sum + seen.length, 0)).toBe(200)
  })

  test('by GOAWAY lose no call that was not begun, nor any that the task finishes', async () => {
    const sessions = new Set<ServerHttp2Session>()
    const bodies: string[] = []
    const server: Http2SecureServer = createSecureServer({ key, cert }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        bodies.push(Buffer.concat(chunks).toString())
        response.end('ok')
      })
    })
    server.on('session', (session) => {
      sessions.add(session)
      session.on('close', () => sessions.delete(session))
      session.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    keep({
      [Symbol.asyncDispose]: () => {
        for (const session of sessions) session.destroy()
        return new Promise((resolve) => server.close(() => resolve()))
      },
    })
    const { port } = server.address() as AddressInfo
    const client = keep(clientOf(['127.0.1.1'], { pool: { allowH2: true, connect: { ca } } }))
    const origin = `https://orders.shop.local:${port}`
    for (let round = 0; round < 10; round++) {
      const calls = Array.from({ length: 10 }, (_, index) =>
        client
          .request(origin, { method: 'POST', body: `order ${round}/${index}` })
          .then(({ body }) => body.text()),
      )
      // In the middle of a round, or after it: the session ends in peace, as that of a task that shuts down.
      if (round % 2 === 0) for (const session of sessions) session.close()
      expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
      if (round % 2 === 1) for (const session of sessions) session.close()
    }
    expect(new Set(bodies).size).toBe(100)
    expect(bodies).toHaveLength(100)
  })
})

describe('before and after a response', () => {
  test('early hints are handed on, also those of an attempt that fails then', async () => {
    const tasks = await servers(2, (_request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('ok'))
    })
    if (tasks[0] !== undefined)
      tasks[0].answer = (request, response) =>
        response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => request.socket.destroy())
    const client = keep(clientOf(tasks))
    const infos: unknown[] = []
    const { statusCode, body } = await client.request(ORIGIN, {
      onInfo: ({ statusCode: status, headers }) => void infos.push([status, headers['link']]),
    })
    expect([statusCode, await body.text()]).toEqual([200, 'ok'])
    expect(infos).toEqual([
      [103, '</a.css>; rel=preload'],
      [103, '</style.css>; rel=preload'],
    ])
  })

  test('trailers reach the caller', async () => {
    const tasks = await servers(1, (_request, response) => {
      response.writeHead(200, { trailer: 'x-checksum' })
      response.write('body')
      response.addTrailers({ 'x-checksum': 'abc' })
      response.end()
    })
    const client = keep(clientOf(tasks))
    const { body, trailers } = await client.request(ORIGIN)
    expect(await body.text()).toBe('body')
    expect(trailers).toEqual({ 'x-checksum': 'abc' })
  })

  test('Expect is refused by undici, which says so, and no task is blamed', async () => {
    const tasks = await servers(1)
    const client = keep(clientOf(tasks))
    await expect(
      client.request(ORIGIN, { method: 'POST', body: 'x', headers: { expect: '100-continue' } }),
    ).rejects.toMatchObject({ code: 'UND_ERR_NOT_SUPPORTED' })
    const { upstreams = [] } = client.inspect().services['orders.shop.local']?.origins[ORIGIN] ?? {}
    expect(upstreams[0]).toMatchObject({ failures: 0, pending: 0, state: 'available' })
  })
})
