/** Calls under fake timers: time stands still for the application, and calls go on. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createClient, DeadlineExceededError, staticResolver, type Client } from 'onehop'
import { OnehopHttpAgent } from 'onehop/http'
import { connect } from 'onehop/net'
import { answerWith, manualClock, startFleet, type Fleet } from 'onehop/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { requestBody } from '../../../src/connect/request-body.ts'
import { answered } from '../../support/http-requests.ts'
import { load } from './packages/load.ts'

interface Sinon {
  install(options: object): { uninstall(): void }
}

const { default: sinon } = await load<{ default: Sinon }>('@sinonjs/fake-timers')
/** Everything but `nextTick` and `queueMicrotask`, which Node's streams and undici wait for. */
const ALL = [
  ...['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval'],
  ...['Date', 'performance', 'hrtime'],
]
let restore: () => void = () => undefined

const FAKES: Readonly<Record<string, () => void>> = {
  'vi.useFakeTimers()': () => {
    vi.useFakeTimers()
    restore = () => void vi.useRealTimers()
  },
  'vi.useFakeTimers() with performance and Date': () => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'setImmediate', 'setInterval', 'performance', 'Date', 'hrtime'],
    })
    restore = () => void vi.useRealTimers()
  },
  sinon: () => {
    const clock = sinon.install({ toFake: ALL })
    restore = () => clock.uninstall()
  },
}

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ tasks: 2, processes: true })
})
afterEach(() => restore())
afterAll(() => fleet.close())

function clientOfFleet(): Client {
  const addresses = fleet.tasks.map(({ address, port }) => `${address}:${port}`)
  return createClient({
    discovery: staticResolver({ 'orders.shop.local': addresses }),
    services: { 'orders.shop.local': {} },
  })
}

async function failureOf(socket: Socket): Promise<unknown> {
  return ((await once(socket, 'error')) as unknown[])[0]
}

const URL_OF_ORDERS = 'http://orders.shop.local/v1'

describe.each(Object.entries(FAKES))('%s', (_name, fake) => {
  test('calls over sockets are answered', async () => {
    fake()
    const client = clientOfFleet()
    expect((await client.fetch(URL_OF_ORDERS, { method: 'POST', body: 'a' })).status).toBe(200)
    const { statusCode, body } = await client.request(URL_OF_ORDERS)
    expect([statusCode, typeof (await body.text())]).toEqual([200, 'string'])
    await client.close()
  })

  test('retries wait in real time', async () => {
    for (const task of fleet.tasks) await task.set({ kind: 'status', status: 503 })
    fake()
    const client = clientOfFleet()
    // The third attempt has a backoff.
    expect((await client.fetch(URL_OF_ORDERS)).status).toBe(503)
    await client.close()
    restore()
    for (const task of fleet.tasks) await task.set({ kind: 'none' })
  })

  test('a deadline ends a call that hangs, in real time', async () => {
    for (const task of fleet.tasks) await task.set({ kind: 'hang' })
    fake()
    const client = clientOfFleet()
    const call = client.request(URL_OF_ORDERS, { deadlineMs: 50 })
    await expect(call).rejects.toBeInstanceOf(DeadlineExceededError)
    await client.close()
    restore()
    for (const task of fleet.tasks) await task.set({ kind: 'none' })
  })

  test('a client of answerWith answers', async () => {
    fake()
    const client = answerWith(() => Response.json({ id: 42 }))
    expect(await (await client.fetch(URL_OF_ORDERS)).json()).toEqual({ id: 42 })
    await client.close()
  })
  test('a call by OnehopHttpAgent is answered', async () => {
    fake()
    const client = clientOfFleet()
    const agent = new OnehopHttpAgent(client)
    const { get } = process.getBuiltinModule('node:http')
    expect((await answered(get(URL_OF_ORDERS, { agent }))).status).toBe(200)
    agent.destroy()
    await client.close()
  })

  test('a socket of onehop/net connects, and fails', async () => {
    fake()
    const client = clientOfFleet()
    const socket = connect(client, { host: 'orders.shop.local' })
    await once(socket, 'connect')
    socket.destroy()
    const secure = connect(client, { host: 'orders.shop.local', tls: true })
    // The task speaks no TLS.
    expect(await failureOf(secure)).toMatchObject({ code: expect.stringContaining('ERR_SSL') as string })
    await client.close()
    expect(await failureOf(connect(client, { host: 'orders.shop.local' }))).toMatchObject({
      code: 'ONEHOP_CLOSED',
    })
  })

  test('a body of onehop/connect that comes later is a stream', async () => {
    fake()
    async function* never(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a')
      await new Promise(() => undefined)
    }
    expect((await requestBody(never(), undefined)).kind).toBe('stream')
  })

  test('manualClock moves on', async () => {
    fake()
    const clock = manualClock()
    const fired: number[] = []
    clock.setTimer(() => fired.push(clock.now()), 50)
    await clock.advance(100)
    expect(fired).toEqual([50])
  })
})
