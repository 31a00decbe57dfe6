/** `close()` and `close({ withinMs })` settle, whatever undici still has. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'onehop'
import { manualClock, scriptedResolver } from 'onehop/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { cert, key } from '../../../support/transports/tls.ts'
import { originIn, poolIn, WorldServer, WORLDS } from '../../../support/transports/worlds.ts'

const { keep } = resources()

/** For what does not end; it comes before the limit of the test, which says less. */
const SOON_MS = 20_000

async function settles(closing: Promise<void>): Promise<string> {
  const settled = closing.then(
    () => 'closed',
    (error: NodeJS.ErrnoException) => String(error.code),
  )
  return Promise.race([settled, delay(SOON_MS, 'still open', { ref: false })])
}

const WAYS: readonly [string, (client: Client) => Promise<void>][] = [
  ['close()', (client) => client.close()],
  ['close({ withinMs })', (client) => client.close({ withinMs: 100 })],
  [
    'close(), and then close({ withinMs })',
    (client) => {
      const closed = client.close()
      return Promise.all([closed, client.close({ withinMs: 100 })]).then(() => undefined)
    },
  ],
]

/** Ends the handshake of its first connection, and of none after it, as a process that was stopped. */
async function stoppedTask(): Promise<string> {
  const secureContext = createSecureContext({ key, cert })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    if (sockets.size > 1) return
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined).resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `127.0.1.1:${(server.address() as AddressInfo).port}`
}

describe.each(WAYS)('%s settles', (_way, close) => {
  test('with calls that were aborted while they waited for a connection', async () => {
    const label = await stoppedTask()
    const pool = { ...poolIn('https'), connections: 1 }
    const client = clientOf([label], { pool, retry: false, timeouts: { connectMs: 60_000 } })
    const abort = new AbortController()
    const calls = Array.from({ length: 20 }, () =>
      client.request(originIn('https'), { signal: abort.signal }).catch((error: Error) => error.message),
    )
    await expect.poll(() => client.inspect().callsUnderWay).toBe(20)
    abort.abort(new Error('left'))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['left']))
    expect(await settles(close(client))).toBe('closed')
  })

  test.each(WORLDS)('over %s, behind a response that is read to be thrown away', async (world) => {
    const bad = keep(
      await WorldServer.start(world, (_request, response) => {
        response.statusCode = 503
        response.write('sorry, ')
      }),
    )
    const good = keep(await WorldServer.start(world, (_request, response) => void response.end('ok')))
    // Until it moves, the response is read on.
    const clock = manualClock()
    const client = clientOf([bad.label, good.label], {
      clock,
      pool: poolIn(world, { connections: 1, h2Options: { maxConcurrentStreams: 1 } }),
      balancer: { pick: ([first]) => first },
    })
    expect(await client.request(originIn(world)).then(({ body }) => body.text())).toBe('ok')
    const abort = new AbortController()
    const gone = client
      .request(originIn(world), { signal: abort.signal })
      .catch((error: Error) => error.message)
    await expect.poll(() => client.inspect().callsUnderWay).toBe(1)
    abort.abort(new Error('left'))
    expect(await gone).toBe('left')
    const closing = close(client)
    await clock.advance(1_000)
    expect(await settles(closing)).toBe('closed')
  })

  test.each(WORLDS)('over %s, after the pool of a task that left was destroyed', async (world) => {
    const held: (() => void)[] = []
    const server = keep(
      await WorldServer.start(world, (_request, response) => {
        response.write('some')
        held.push(() => void response.end())
      }),
    )
    const other = keep(await WorldServer.start(world, (_request, response) => void response.end('ok')))
    const clock = manualClock(1_000)
    const discovery = scriptedResolver(clock, [server.label], 1_000)
    const pool = poolIn(world, { connections: 1, h2Options: { maxConcurrentStreams: 1 } })
    const client = clientOf([], { clock, discovery, pool })
    const { body } = await client.request(originIn(world))
    const cut = body.text().catch((error: Error) => error)
    const abort = new AbortController()
    const gone = client
      .request(originIn(world), { signal: abort.signal })
      .catch((error: Error) => error.message)
    await expect.poll(() => client.inspect().callsUnderWay).toBe(2)
    abort.abort(new Error('left'))
    expect(await gone).toBe('left')
    discovery.answer([other.label])
    await clock.advance(2_000)
    expect(await client.request(originIn(world)).then((response) => response.body.text())).toBe('ok')
    // The longest that it may take to leave.
    await clock.advance(30_000)
    expect(await cut).toBeInstanceOf(Error)
    const closing = close(client)
    await clock.advance(100)
    expect(await settles(closing)).toBe('closed')
  })
})

test.each(WORLDS)('close({ withinMs }) over %s cuts what is under way', async (world) => {
  const server = keep(await WorldServer.start(world, () => undefined))
  const client = clientOf([server.label], { pool: poolIn(world, { connections: 1 }), retry: false })
  const calls = Array.from({ length: 3 }, (_, call) =>
    client.request(`${originIn(world)}/${call}`, { method: 'PUT', body: 'x' }).catch((error: Error) => error),
  )
  await expect.poll(() => server.seen.length).toBeGreaterThan(0)
  expect(await settles(client.close({ withinMs: 50 }))).toBe('closed')
  for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(Error)
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('close() settles when destroy() follows, with calls under way and hosts that are not discovered', async () => {
  const server = keep(await WorldServer.start('http', () => undefined))
  const client = clientOf([server.label], { retry: false })
  const calls = [ORIGIN, `http://${server.label}`].map((url) =>
    client.request(url).catch((error: Error) => error),
  )
  await expect.poll(() => server.seen.length).toBe(2)
  const closed = client.close()
  await client.dispatcher.destroy()
  expect(await settles(closed)).toBe('closed')
  for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(Error)
})
