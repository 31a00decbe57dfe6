import { AsyncLocalStorage } from 'node:async_hooks'
import dns, { type LookupAddress, type LookupOptions } from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { taskEndpoint, type Client, type ClientOptions } from 'onehop'
import { lookupOf } from 'onehop/net'
import { manualClock } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { clientOf } from '../../support/clients.ts'
import { EchoServer } from '../../support/echo-server.ts'
import { resources } from '../../support/resources.ts'

const { keep } = resources()
const HOST = 'db.shop.local'
const FOUR = ['127.0.1.1:1', '127.0.1.2:1', '127.0.1.3:1', '127.0.1.4:1']
/** Node's own limit of an address is 250 ms, which a busy process may need. */
const UNLIMITED = { autoSelectFamilyAttemptTimeout: 60_000 }
const ALL = { hints: dns.ADDRCONFIG, all: true } as const

type Found = [error: NodeJS.ErrnoException | null, address?: string | LookupAddress[], family?: number]

/** On virtual time: what is ejected stays so, unless a test moves the clock. */
function world(answer: Parameters<typeof clientOf>[0], options: ClientOptions = {}): Client {
  return keep(clientOf(answer, { clock: manualClock(), ...options }))
}

/** What the callback gets, which is called once, and never before `lookup` has returned. */
function found(
  client: Client,
  host: string = HOST,
  ...options: (LookupOptions | number | null | undefined)[]
): Promise<Found> {
  const lookup = lookupOf(client) as (...given: unknown[]) => void
  return new Promise((resolve, reject) => {
    let isBack = false
    let count = 0
    lookup(host, ...options, (...given: Found) => {
      if (!isBack || ++count > 1) reject(new Error('called back at once, or twice'))
      else resolve(given)
    })
    isBack = true
  })
}

async function addresses(client: Client, options: LookupOptions = ALL): Promise<string[]> {
  const [error, list] = await found(client, HOST, options)
  expect(error).toBeNull()
  return (list as LookupAddress[]).map(({ address }) => address)
}

describe('all calling forms of Node', () => {
  test('a list, one address, a family as a number, and no options', async () => {
    const client = world(['127.0.1.1:1'])
    expect(await found(client, HOST, ALL)).toEqual([null, [{ address: '127.0.1.1', family: 4 }]])
    const one = [null, '127.0.1.1', 4]
    expect(await found(client, HOST, { family: 4, hints: 0 })).toEqual(one)
    expect(await found(client, HOST, { family: 'IPv4' })).toEqual(one)
    expect(await found(client, HOST, 4)).toEqual(one)
    expect(await found(client, HOST, 0)).toEqual(one)
    expect(await found(client, HOST, {})).toEqual(one)
    expect(await found(client, HOST, undefined)).toEqual(one)
    expect(await found(client, HOST, null)).toEqual(one)
    expect(await found(client)).toEqual(one)
    expect(await found(client, 'DB.shop.local.', { family: undefined, all: undefined })).toEqual(one)
  })

  test('by family, and in the order that the caller asks for', async () => {
    const client = world([
      taskEndpoint('fd00::1', { port: 1 }),
      taskEndpoint('127.0.1.1', { port: 1 }),
      taskEndpoint('fd00::2', { port: 1 }),
    ])
    expect(await addresses(client, { all: true, family: 4 })).toEqual(['127.0.1.1'])
    expect((await addresses(client, { all: true, family: 6 })).toSorted()).toEqual(['fd00::1', 'fd00::2'])
    expect((await addresses(client, { all: true, order: 'ipv4first' }))[0]).toBe('127.0.1.1')
    expect((await addresses(client, { all: true, verbatim: false }))[0]).toBe('127.0.1.1')
    expect((await addresses(client, { all: true, order: 'ipv6first' }))[2]).toBe('127.0.1.1')
    expect(await addresses(client, { all: true, order: 'verbatim', verbatim: false })).toHaveLength(3)
  })

  test('a family that no task has is ENOTFOUND, or IPv4 in IPv6 where the caller allows it', async () => {
    const client = world(['127.0.1.1:1'])
    const [error] = await found(client, HOST, { family: 6, all: true })
    expect(error).toMatchObject({
      code: 'ENOTFOUND',
      cause: { message: expect.stringContaining('127.0.1.1') as string },
    })
    const mapped = await found(client, HOST, { family: 6, hints: dns.V4MAPPED })
    expect(mapped).toEqual([null, '::ffff:127.0.1.1', 6])
  })
})

describe('every candidate, best first', () => {
  test('the balancer’s pick, then the others in turn', async () => {
    const client = world(FOUR)
    const lists: string[][] = []
    const lookup = lookupOf(client)
    for (let count = 0; count < 8; count++)
      lists.push(
        await new Promise((resolve) =>
          lookup(HOST, ALL, (_error, list) =>
            resolve((list as unknown as LookupAddress[]).map(({ address }) => address)),
          ),
        ),
      )
    for (const list of lists) expect(list.toSorted()).toEqual(FOUR.map((label) => label.slice(0, -2)))
    // Round robin.
    expect(lists.slice(0, 4).map(([first]) => first)).toEqual(FOUR.map((label) => label.slice(0, -2)))
    const seconds = new Set(lists.map(([first, second]) => `${first} ${second}`))
    expect(seconds.size).toBeGreaterThan(4)
  })

  test('tasks that are ejected on any port are last, and still there if all are', async () => {
    const client = world(FOUR)
    const eject = async (count: number): Promise<void> => {
      const error = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
      for (let index = 0; index < count; index++) {
        const lease = await client.acquire(`http://${HOST}:8080`)
        lease.report({ kind: 'connect-error', error })
        lease.end()
      }
    }
    await eject(2)
    for (let count = 0; count < 4; count++)
      expect((await addresses(client)).slice(2).toSorted()).toEqual(['127.0.1.1', '127.0.1.2'])
    await eject(2)
    expect((await addresses(client)).toSorted()).toEqual(FOUR.map((label) => label.slice(0, -2)))
  })

  test('the caller’s zone is first', async () => {
    const zones = ['a', 'b', 'a', 'b', 'c']
    const endpoints = zones.map((zone, index) =>
      taskEndpoint(`127.0.1.${index + 1}`, { port: 1, zone: `eu-west-1${zone}` }),
    )
    const client = world(endpoints, { zone: { own: 'eu-west-1b' } })
    const list = await addresses(client)
    expect(list).toHaveLength(5)
    // The pick itself may go elsewhere, by the shares of the zones.
    const rest = list.slice(1)
    const local = rest.map((address) => ['127.0.1.2', '127.0.1.4'].includes(address))
    expect(local).toEqual(local.toSorted((one, other) => Number(other) - Number(one)))
  })

  test('the load balancer is behind the tasks, or alone', async () => {
    const fallback = 'http://localhost:1'
    const list = await addresses(world(['127.0.1.1:1'], { fallback }), { all: true, family: 4 })
    expect(list).toEqual(['127.0.1.1', '127.0.0.1'])
    expect(await addresses(world(new Error('no discovery'), { fallback }), { all: true, family: 4 })).toEqual(
      ['127.0.0.1'],
    )
    expect(await addresses(world([], { fallback: 'http://127.0.0.9:1' }))).toEqual(['127.0.0.9'])
    const unknown = { fallback: 'http://balancer.invalid' }
    expect(await addresses(world(['127.0.1.1:1'], unknown))).toEqual(['127.0.1.1'])
    const [error] = await found(world([], unknown), HOST, ALL)
    expect(error).toMatchObject({
      code: 'ENOTFOUND',
      hostname: HOST,
      cause: { hostname: 'balancer.invalid' },
    })
  })
})

describe('nothing is known', () => {
  test.each([
    ['no tasks', [], 'ONEHOP_NO_ENDPOINTS'],
    ['discovery fails', new Error('servers are silent'), 'ONEHOP_RESOLUTION_FAILED'],
  ] as const)('%s: ENOTFOUND as Node’s, with our error as cause', async (_what, answer, code) => {
    const client = world(answer)
    const [own] = await new Promise<[NodeJS.ErrnoException]>((resolve) =>
      dns.lookup('nowhere.invalid', { all: true }, (error) => resolve([error as NodeJS.ErrnoException])),
    )
    for (const options of [ALL, {}]) {
      const [error, ...rest] = await found(client, HOST, options)
      expect(rest).toEqual([])
      const { errno, syscall } = own
      expect(error).toMatchObject({ errno, syscall, code: 'ENOTFOUND', hostname: HOST, cause: { code } })
      expect(error?.message).toBe(`getaddrinfo ENOTFOUND ${HOST}`)
    }
    const socket = net.connect({ host: HOST, port: 1, lookup: lookupOf(client) })
    const [failure] = (await once(socket, 'error')) as [Error]
    expect(failure).toMatchObject({ code: 'ENOTFOUND', cause: { code } })
  })

  test('a closed client', async () => {
    const client = clientOf(FOUR)
    await client.close()
    const [error] = await found(client, HOST, ALL)
    expect(error).toMatchObject({ code: 'ENOTFOUND', cause: { code: 'ONEHOP_CLOSED' } })
  })

  test('a client that closes meanwhile', async () => {
    const client = clientOf(new Promise(() => undefined))
    const waiting = found(client, HOST, ALL)
    await client.close()
    expect((await waiting)[0]).toMatchObject({ code: 'ENOTFOUND', cause: { code: 'ONEHOP_CLOSED' } })
  })
})

describe('Node’s own', () => {
  test('hosts that are not discovered are looked up exactly as given', async () => {
    const client = world(FOUR)
    const node = dns.lookup as (...given: unknown[]) => void
    for (const options of [[], [4], [{ all: true }], [{ family: 4 }], [undefined]]) {
      const own = new Promise((resolve) => {
        node('localhost', ...options, (...given: unknown[]) => resolve(given))
      })
      expect(await found(client, 'localhost', ...(options as LookupOptions[]))).toEqual(await own)
    }
    const [error] = await found(client, 'nowhere.invalid', ALL)
    expect(error).toMatchObject({ code: 'ENOTFOUND', hostname: 'nowhere.invalid' })
    expect(error?.cause).toBeUndefined()
    expect(await found(client, '127.0.0.1')).toEqual([null, '127.0.0.1', 4])
    const lookup = lookupOf(client) as (...given: unknown[]) => void
    expect(() => lookup('localhost')).toThrow('callback')
    expect(() => lookup('localhost', { family: 5 }, () => undefined)).toThrow('family')
  })

  test('wrong arguments', () => {
    expect(() => lookupOf(undefined as never)).toThrow('client: got undefined')
    const lookup = lookupOf(world(FOUR)) as (...given: unknown[]) => void
    expect(() => lookup(HOST)).toThrow('lookup.callback: got undefined')
    expect(() => lookup(HOST, {}, 'done')).toThrow('lookup.callback')
  })

  test('net.connect goes to another task where the first refuses', async () => {
    const server = keep(await EchoServer.start('127.0.1.2'))
    const client = world(['127.0.1.1:1', '127.0.1.2:1'])
    const lookup = lookupOf(client)
    for (let count = 0; count < 4; count++) {
      const socket = net.connect({ host: HOST, port: server.port, lookup, ...UNLIMITED })
      await once(socket, 'connect')
      expect(socket.remoteAddress).toBe('127.0.1.2')
      socket.destroy()
    }
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('what becomes of the first address is learned, and an ejected task is probed', async () => {
    const [dead, alive] = ['127.0.1.1:1', '127.0.1.2:1']
    const server = keep(await EchoServer.start('127.0.1.2'))
    const clock = manualClock()
    const client = world([dead, alive], { clock })
    const own = lookupOf(client)
    const lists: string[][] = []
    const lookup: net.LookupFunction = (host, options, callback) =>
      own(host, options, (error, list, family) => {
        lists.push((list as unknown as LookupAddress[]).map(({ address }) => address))
        callback(error, list, family)
      })
    const known = () => Object.values(client.inspect().services[HOST]?.origins ?? {})[0]?.upstreams
    const connected = async (port = server.port): Promise<net.Socket> => {
      const socket = net.connect({ host: HOST, port, lookup, ...UNLIMITED })
      await once(socket, 'connect')
      return socket
    }
    const first = await connected()
    expect(known()).toMatchObject([
      { upstream: dead, state: 'ejected', failures: 1, pending: 0 },
      { upstream: alive, state: 'available', failures: 0, pending: 0 },
    ])
    const second = await connected()
    expect(known()).toMatchObject([{ failures: 1 }, { requests: 1, failures: 0 }])
    // After a second one connection probes it.
    await using back = await EchoServer.start('127.0.1.1', server.port)
    await clock.advance(999)
    ;(await connected()).destroy()
    expect(known()).toMatchObject([{ state: 'ejected' }, { requests: 2 }])
    await clock.advance(1)
    ;(await connected()).destroy()
    expect(known()).toMatchObject([{ state: 'available', failures: 1 }, { requests: 2 }])
    // The task that is probed is first, and not once more at the end.
    for (const list of lists) expect(list.toSorted()).toEqual(['127.0.1.1', '127.0.1.2'])
    for (const socket of [first, second]) socket.destroy()
    await back[Symbol.asyncDispose]()
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('from whatever socket Node connects, and not from lookups alone', async () => {
    for (const open of [
      (options: net.TcpNetConnectOpts) => new net.Socket().connect(options),
      (options: net.TcpNetConnectOpts) => tls.connect(options),
    ]) {
      const client = world(['127.0.1.1:1'])
      const lookup = lookupOf(client)
      const upstreams = () => Object.values(client.inspect().services[HOST]?.origins ?? {})[0]?.upstreams
      await found(client, HOST, ALL)
      expect(upstreams()).toMatchObject([{ state: 'available', failures: 0, pending: 0 }])
      await once(open({ host: HOST, port: 1, lookup }), 'error')
      expect(upstreams()).toMatchObject([{ state: 'ejected', failures: 1, pending: 0 }])
    }
  })

  test('a socket that is destroyed while its lookup waits leaves nothing', async () => {
    const known = Promise.withResolvers<string[]>()
    const client = world(known.promise)
    const socket = net.connect({ host: HOST, port: 1, lookup: lookupOf(client) })
    socket.destroy()
    known.resolve(['127.0.1.1:1'])
    await expect.poll(() => client.inspect().callsUnderWay, { interval: 5 }).toBe(0)
  })

  test('dgram asks by a number', async () => {
    const { createSocket } = await import('node:dgram')
    const client = world(['127.0.1.1:1'])
    const socket = createSocket({ type: 'udp4', lookup: lookupOf(client) as never })
    socket.connect(9, HOST)
    await once(socket, 'connect')
    expect(socket.remoteAddress().address).toBe('127.0.1.1')
    socket.close()
  })
})

test('the callback runs in the caller’s async context, and what it throws is uncaught', async () => {
  const known = Promise.withResolvers<string[]>()
  const client = world(known.promise)
  const trace = new AsyncLocalStorage<number>()
  const seen = [1, 2].map((id) => trace.run(id, () => found(client, HOST, ALL).then(() => trace.getStore())))
  const stores: unknown[] = []
  const lookup = lookupOf(client)
  const inCallback = [3, 4].map((id) =>
    trace.run(
      id,
      () =>
        new Promise<void>((resolve) => lookup(HOST, ALL, () => resolve(void stores.push(trace.getStore())))),
    ),
  )
  known.resolve(FOUR)
  expect(await Promise.all(seen)).toEqual([1, 2])
  await Promise.all(inCallback)
  expect(stores).toEqual([3, 4])
})
