/** What a server says that it has not processed is asked of another, whatever the method. */
import { createHash } from 'node:crypto'
import { createServer as createTcpServer, type Socket } from 'node:net'
import type { IncomingMessage } from 'node:http'
import type { Http2SecureServer } from 'node:http2'
import type { Client, UpstreamInspection } from 'onehop'
import { Agent, WebSocket } from 'undici'
import { describe, expect, test } from 'vitest'
import { clientOf } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import {
  frame,
  http2,
  http2Frames,
  secureTasks,
  words,
  type SecureTask,
} from '../../../support/transports/secure-servers.ts'
import { ca } from '../../../support/transports/tls.ts'

const { keep } = resources()
const ORIGIN = 'https://orders.shop.local'
const pool = { allowH2: true, connect: { ca } }

const GOAWAY = 7
const RST_STREAM = 3
const REFUSED_STREAM = 7
const NO_ERROR = 0
const INTERNAL_ERROR = 2

/** Answers with the request's body, so that a part of one would show. */
function echo(bodies: string[] = []): () => ReturnType<typeof http2> {
  return () =>
    http2((stream) => {
      let body = ''
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => (body += chunk))
      stream.on('end', () => {
        bodies.push(body)
        stream.respond({ ':status': 200 })
        stream.end(`well ${body}`)
      })
    })
}

const refusing = (): ReturnType<typeof http2Frames> =>
  http2Frames((socket, stream) => socket.write(frame(RST_STREAM, 0, stream, words(REFUSED_STREAM))))
const leaving = (code: number) => (): ReturnType<typeof http2Frames> =>
  http2Frames((socket) => {
    socket.write(frame(GOAWAY, 0, 0, words(0, code)))
    socket.end()
  })

function upstreams(client: Client): readonly UpstreamInspection[] {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
}

async function tasksOf(...makers: Parameters<typeof secureTasks>[0][number][]): Promise<SecureTask[]> {
  return (await secureTasks(makers)).map(keep)
}

async function* chunks(): AsyncGenerator<string> {
  for (const chunk of ['a', 'b', 'c']) yield chunk
}

type Send = (client: Client) => Promise<string>
const sends: Record<string, Send> = {
  'a POST': async (client) => (await client.request(ORIGIN, { method: 'POST', body: 'abc' })).body.text(),
  'a POST of a stream': async (client) =>
    (await client.request(ORIGIN, { method: 'POST', body: chunks() as never })).body.text(),
  'a POST by fetch': async (client) => (await client.fetch(ORIGIN, { method: 'POST', body: 'abc' })).text(),
  'a PATCH by fetch, of a stream': async (client) => {
    const body = ReadableStream.from(chunks())
    return (await client.fetch(ORIGIN, { method: 'PATCH', body: body as never, duplex: 'half' })).text()
  },
}

describe.each([
  ['refuses streams', refusing],
  ['goes away before the stream', leaving(NO_ERROR)],
  ['goes away before the stream with an error', leaving(INTERNAL_ERROR)],
])('a task that %s', (_name, make) => {
  test.each(Object.entries(sends))(
    '%s is answered by another, with its whole body, once',
    async (_what, send) => {
      const bodies: string[] = []
      const tasks = await tasksOf(make, echo(bodies))
      // Tasks are taken by turns, from the first.
      const client = keep(clientOf(tasks, { pool, outlier: false }))
      expect(await send(client)).toBe('well abc')
      expect(bodies).toEqual(['abc'])
      expect(upstreams(client)).toMatchObject([{ requests: 1 }, { requests: 1, failures: 0 }])
    },
  )

  test('100 of 100 POSTs are answered', async () => {
    const bodies: string[] = []
    const tasks = await tasksOf(make, echo(bodies))
    const client = keep(clientOf(tasks, { pool }))
    for (let call = 0; call < 100; call++) {
      const { body } = await client.request(ORIGIN, { method: 'POST', body: String(call) })
      expect(await body.text()).toBe(`well ${call}`)
    }
    expect(bodies).toHaveLength(100)
  })
})

test('where all tasks refuse, their connections are kept: no attempt makes a new one', async () => {
  let connections = 0
  const counted = (): ReturnType<typeof refusing> =>
    refusing().on('connection', () => {
      connections++
    })
  const tasks = await tasksOf(counted, counted)
  const client = keep(clientOf(tasks, { pool, outlier: false }))
  for (let call = 0; call < 10; call++)
    await expect(client.request(ORIGIN, { method: 'POST', body: 'abc' })).rejects.toMatchObject({
      attempts: { length: 3 },
    })
  expect(connections).toBe(2)
})

const reset = (): ReturnType<typeof http2Frames> =>
  http2Frames((socket, stream) => socket.write(frame(RST_STREAM, 0, stream, words(INTERNAL_ERROR))))
const covering = (): ReturnType<typeof http2Frames> =>
  http2Frames((socket, stream) => {
    socket.write(frame(GOAWAY, 0, 0, words(stream, NO_ERROR)))
    socket.end()
  })

test.each([
  ['was reset otherwise', reset],
  ['GOAWAY covers', covering],
])('a stream that %s may have been processed: a POST is not asked again', async (_name, make) => {
  const bodies: string[] = []
  const tasks = await tasksOf(make, echo(bodies))
  const client = keep(clientOf(tasks, { pool }))
  await expect(client.request(ORIGIN, { method: 'POST', body: 'abc' })).rejects.toMatchObject({
    attempts: [{ outcome: { kind: 'transport-error', sent: true } }],
  })
  expect(bodies).toEqual([])
})

describe('a WebSocket to tasks that have HTTP/2 without RFC 8441', () => {
  /** Both protocols; upgrades over HTTP/1.1 are answered with one message. */
  function both(upgrades: string[]): () => ReturnType<typeof http2> {
    return () => {
      const server = http2((stream) => stream.respond({ ':status': 200 }, { endStream: true }), {
        allowHTTP1: true,
      })
      ;(server as unknown as Http2SecureServer).on('upgrade', (request: IncomingMessage, socket: Socket) => {
        const { 'sec-websocket-key': key, upgrade } = request.headers
        upgrades.push(String(upgrade))
        const accept = createHash('sha1')
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64')
        socket.on('error', () => undefined)
        const head = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${upgrade}\r\n`
        socket.write(`${head}sec-websocket-accept: ${accept}\r\n\r\n`)
        // A text of 4 bytes (RFC 6455 section 5.2).
        if (upgrade === 'websocket') socket.write(Buffer.from([0x81, 4, ...Buffer.from('well')]))
      })
      return server
    }
  }

  async function firstMessage(dispatcher: Client['dispatcher'] | Agent, url: string): Promise<unknown> {
    const socket = new WebSocket(url, { dispatcher })
    return new Promise((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => {
        socket.close()
        resolve(data)
      })
      socket.addEventListener('error', ({ error }) => reject(error))
    })
  }

  test('works, as with an Agent, and counts against no task', async () => {
    const upgrades: string[] = []
    const tasks = await tasksOf(both(upgrades), both(upgrades))
    const client = keep(clientOf(tasks, { pool }))
    for (let call = 0; call < 6; call++)
      expect(await firstMessage(client.dispatcher, 'wss://orders.shop.local')).toBe('well')
    expect(upgrades).toEqual(Array.from({ length: 6 }, () => 'websocket'))
    for (const upstream of upstreams(client))
      expect(upstream).toMatchObject({ state: 'available', failures: 0 })

    const lookup = (_host: string, _options: unknown, found: (error: null, all: object[]) => void): void =>
      found(null, [{ address: '127.0.1.1', family: 4 }])
    const agent = new Agent({ allowH2: true, connect: { ca, lookup: lookup as never } })
    expect(await firstMessage(agent, `wss://orders.shop.local:${tasks[0]?.port}`)).toBe('well')
    await agent.destroy()
  })

  test('works with retries off, and while the tasks serve HTTP/2', async () => {
    const upgrades: string[] = []
    const tasks = await tasksOf(both(upgrades), both(upgrades))
    const client = keep(clientOf(tasks, { pool, retry: false }))
    for (let call = 0; call < 4; call++) {
      expect((await client.request(ORIGIN)).statusCode).toBe(200)
      expect(await firstMessage(client.dispatcher, 'wss://orders.shop.local')).toBe('well')
    }
    for (const upstream of upstreams(client))
      expect(upstream).toMatchObject({ state: 'available', failures: 0 })
  })

  test('so does any other upgrade, which HTTP/2 does not have', async () => {
    const upgrades: string[] = []
    const tasks = await tasksOf(both(upgrades))
    const client = keep(clientOf(tasks, { pool }))
    const { socket } = await client.dispatcher.upgrade({
      origin: ORIGIN,
      path: '/',
      protocol: 'chat',
    } as never)
    socket.destroy()
    expect(upgrades).toEqual(['chat'])
  })
})

describe('408 with `connection: close`', () => {
  const EXPIRED = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
  const KEPT = 'HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n'
  const WELL = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'

  /** @param answers what it says on each connection, in order; the last one again and again */
  async function clientOf408(
    answers: readonly string[],
  ): Promise<{ client: Client; seen: string[]; url: string }> {
    const seen: string[] = []
    const sockets = new Set<Socket>()
    const server = createTcpServer((socket) => {
      sockets.add(socket)
      let requests = 0
      socket.on('error', () => undefined)
      socket.on('data', (data) => {
        const answer = answers[Math.min(requests++, answers.length - 1)] as string
        seen.push(`${String(data).split(' ')[0]} ${answer.split(' ')[1]}`)
        if (answer === EXPIRED) socket.end(answer)
        else socket.write(answer)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    keep({
      [Symbol.asyncDispose]: async () => {
        for (const socket of sockets) socket.destroy()
        await new Promise((resolve) => server.close(resolve))
      },
    })
    const { port } = server.address() as { port: number }
    return { client: keep(clientOf([`127.0.1.1:${port}`])), seen, url: 'http://orders.shop.local/' }
  }

  const status = async (client: Client, url: string, options: object): Promise<number> => {
    const { statusCode, body } = await client.request(url, options)
    await body.dump()
    // undici uses a connection again some turns of the event loop after its response.
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    return statusCode
  }

  test.each([
    ['GET', {}, 200],
    ['PUT', { method: 'PUT', body: 'x' }, 200],
    ['POST', { method: 'POST', body: 'x', headers: { 'idempotency-key': '1' } }, 200],
    ['POST', { method: 'POST', body: 'x' }, 408],
  ])('on a connection from before: %s %o sees %i', async (method, options, seenStatus) => {
    const { client, seen, url } = await clientOf408([WELL, EXPIRED])
    expect(await status(client, url, {})).toBe(200)
    expect(await status(client, url, options)).toBe(seenStatus)
    expect(seen).toEqual(['GET 200', `${method} 408`, ...(seenStatus === 200 ? [`${method} 200`] : [])])
    expect(
      client.inspect().services['orders.shop.local']?.origins['http://orders.shop.local']?.upstreams,
    ).toMatchObject([{ failures: 0, state: 'available' }])
  })

  test("on a connection of its own it is the server's answer, and handed on", async () => {
    const { client, seen, url } = await clientOf408([EXPIRED])
    expect(await status(client, url, {})).toBe(408)
    expect(seen).toEqual(['GET 408'])
  })

  test('without `connection: close` it is an answer, too', async () => {
    const { client, seen, url } = await clientOf408([WELL, KEPT])
    expect(await status(client, url, {})).toBe(200)
    expect(await status(client, url, {})).toBe(408)
    expect(seen).toEqual(['GET 200', 'GET 408'])
  })

  test('on all connections that were idle: the last attempt has one of its own', async () => {
    const { client, url } = await clientOf408([WELL, EXPIRED])
    const first = await Promise.all(Array.from({ length: 5 }, () => status(client, url, {})))
    expect(first).toEqual([200, 200, 200, 200, 200])
    expect(await status(client, url, {})).toBe(200)
  })
})
