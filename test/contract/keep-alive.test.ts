/**
 * Tasks that close idle connections just as a request goes out. Nothing is lost that may be sent twice; what may not is
 * sent again only where no task can have seen it, and is never acted upon twice.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Client } from 'onehop'
import { clientOf, ORIGIN, originOver } from '../support/clients.ts'
import { resources } from '../support/resources.ts'
import { httpServer, TRANSPORTS, type Transport } from '../support/transports/transports.ts'
import { delivered } from '../support/delivered.ts'
import { PATIENT } from './support/ways.ts'

const { keep, servers } = resources()

/** Over the wire as it is; fewer where each connection costs a handshake, or is one of two. */
const CALLS = 2_000
const CALLS_OVER_OTHERS = 600
const AT_ONCE = 8

/**
 * With HTTP/2 nothing is idle: one connection has the streams of all callers, and a session that ends says which of them it
 * has processed.
 */
const transports = [TRANSPORTS.http, TRANSPORTS.https, TRANSPORTS.capped]

/** Tasks that close what is idle for 1 ms, at the worst of times, and count what they act upon. */
class Impatient implements AsyncDisposable {
  /** How often each request was acted upon, by its number. */
  readonly acted: Map<string, number> = new Map()
  /** Connections that a task closed while it owed nothing. */
  closed = 0
  readonly #listeners: Server[] = []
  readonly #sockets = new Set<Socket>()

  async listen(transport: Transport): Promise<string> {
    const { server, accept } = httpServer(transport, (request, response) => {
      request.resume()
      request.on('end', () => {
        const number = request.headers['x-number'] as string
        this.acted.set(number, (this.acted.get(number) ?? 0) + 1)
        response.end(number)
        // No header tells of it, and no time is sure: now, in the next turn, or a little later.
        const { socket } = request
        const close = (): void => {
          this.closed++
          socket.destroy()
        }
        response.once('finish', () => {
          if (Number(number) % 3 === 0) setImmediate(close)
          else if (Number(number) % 3 === 1) setTimeout(close, Number(number) % 4)
        })
      })
    })
    // undici takes a hint of a second or less for no connection worth keeping: none is given.
    if ('keepAliveTimeout' in server) server.keepAliveTimeout = 60_000
    server.on('request', (_request, response) => response.removeHeader('keep-alive'))
    const listener = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      accept(socket)
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.1.1', resolve))
    this.#listeners.push(listener)
    return `127.0.1.1:${(listener.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    for (const listener of this.#listeners) await new Promise((resolve) => listener.close(resolve))
  }
}

interface Tally {
  answered: number
  failed: {
    number: string
    error: NodeJS.ErrnoException & { attempts?: { outcome: { sent?: boolean } }[] }
  }[]
}

/** Calls by a few callers, each of which waits a little between its calls, so that connections lie idle. */
async function callAll(
  client: Client,
  transport: Transport,
  init: (number: string) => object,
): Promise<Tally> {
  const tally: Tally = { answered: 0, failed: [] }
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < callsOver(transport)) {
      const number = String(next++)
      try {
        const { body } = await client.request(originOver(transport), { ...init(number) })
        if ((await body.text()) === number) tally.answered++
      } catch (error) {
        tally.failed.push({ number, error: error as NodeJS.ErrnoException })
      }
      if (Number(number) % 2 === 0) await new Promise((resolve) => setTimeout(resolve, Number(number) % 5))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, caller))
  return tally
}

/**
 * The last attempt gets a connection of its own, but not where the task has as many as it may and others use them: a call may
 * meet three dead ones in a row then.
 */
const MAX_LOST = 100
const ATTEMPTS = 3

function callsOver({ name }: Transport): number {
  return name === 'http' ? CALLS : CALLS_OVER_OTHERS
}

async function withTasks(
  transport: Transport,
  act: (client: Client, tasks: Impatient) => Promise<void>,
): Promise<void> {
  await using tasks = new Impatient()
  const labels = [await tasks.listen(transport), await tasks.listen(transport)]
  const pool = transport.pool === undefined ? {} : { pool: transport.pool }
  const client = clientOf(labels, { timeouts: PATIENT, ...pool })
  try {
    await act(client, tasks)
  } finally {
    await client.dispatcher.destroy()
  }
}

const idempotent: Record<string, (number: string) => object> = {
  GET: (number) => ({ headers: { 'x-number': number } }),
  'PUT of a string': (number) => ({ method: 'PUT', headers: { 'x-number': number }, body: 'body' }),
  'PUT of a stream': (number) => ({
    method: 'PUT',
    headers: { 'x-number': number },
    body: Readable.from(['bo', 'dy']),
  }),
  'POST with an Idempotency-Key': (number) => ({
    method: 'POST',
    headers: { 'x-number': number, 'idempotency-key': number },
    body: 'body',
  }),
}
const once: Record<string, (number: string) => object> = {
  'POST of a string': (number) => ({ method: 'POST', headers: { 'x-number': number }, body: 'body' }),
  'POST of a stream': (number) => ({
    method: 'POST',
    headers: { 'x-number': number },
    body: Readable.from(['bo', 'dy']),
  }),
}

describe.each(transports)('connections that are closed just as a request goes out [$name]', (transport) => {
  const count = callsOver(transport)

  test.each(Object.entries(idempotent))('%s: no call is lost', async (_kind, init) => {
    await withTasks(transport, async (client, tasks) => {
      const { answered, failed } = await callAll(client, transport, init)
      const told = failed.map(({ error }) => error.message).join('\n')
      expect(failed.length, told).toBeLessThanOrEqual(transport.name === 'capped' ? count / MAX_LOST : 0)
      for (const { error } of failed) expect(error.attempts).toHaveLength(ATTEMPTS)
      expect(answered).toBe(count - failed.length)
      expect(tasks.acted.size).toBeGreaterThanOrEqual(answered)
      expect(tasks.closed).toBeGreaterThan(count / 3)
    })
  })

  test.each(Object.entries(once))('%s: none is acted upon twice', async (_kind, init) => {
    await withTasks(transport, async (client, tasks) => {
      const { answered, failed } = await callAll(client, transport, init)
      expect(answered + failed.length).toBe(count)
      expect([...tasks.acted.values()].filter((times) => times > 1)).toEqual([])
      // Whoever is told of a failure is told so because a task may have seen the request.
      for (const { error } of failed) expect(error.attempts?.at(-1)?.outcome).toMatchObject({ sent: true })
      expect(tasks.closed).toBeGreaterThan(count / 3)
    })
  })
})

describe('a client with many connections that are dead', () => {
  // A retry takes a connection from the pool as any call does; the last one has one made.
  test('a call outlives more dead connections than it has attempts', async () => {
    const gate = Promise.withResolvers<void>()
    let waiting = 0
    const used = new WeakSet<object>()
    const tasks = await servers(3, (request, response) => {
      const { socket } = request
      if (used.has(socket)) {
        socket.resetAndDestroy()
        return
      }
      used.add(socket)
      waiting++
      void gate.promise.then(() => response.end('ok'))
    })
    const client = keep(clientOf(tasks, { timeouts: PATIENT }))
    const first = Array.from({ length: 12 }, () => client.request(ORIGIN).then(({ body }) => body.text()))
    await expect.poll(() => waiting).toBe(12)
    gate.resolve()
    await Promise.all(first)
    // By then the pools know that their connections are free.
    await delivered()
    const { body } = await client.request(ORIGIN)
    expect(await body.text()).toBe('ok')
  })
})
