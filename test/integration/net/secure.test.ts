import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import type { ClientOptions, UpstreamInspection } from 'onehop'
import { connect, type ConnectOptions } from 'onehop/net'
import { expect, test } from 'vitest'
import { clientOf } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress } from '../../support/servers.ts'
import { dueIn } from '../../support/timers.ts'
import { balancerCert, balancerKey, ca, cert, key, otherCa } from '../../support/transports/tls.ts'

const { keep } = resources()
const HOST = 'orders.shop.local'

interface SecureServer extends AsyncDisposable {
  readonly label: string
  readonly port: number
}

/** Says the name by which it was called, then what it gets. */
async function server(address: string, options: tls.TlsOptions = { cert, key }): Promise<SecureServer> {
  const open = new Set<net.Socket>()
  const listening = tls.createServer(options, (socket) => {
    socket.on('error', () => undefined)
    socket.write(`${(socket as tls.TLSSocket & { servername: string }).servername} `)
    socket.pipe(socket)
  })
  listening.on('connection', (socket) => open.add(socket))
  listening.listen(0, address)
  await once(listening, 'listening')
  const { port } = listening.address() as net.AddressInfo
  return keep({
    label: `${address}:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => listening.close(resolve))
    },
  })
}

function world(labels: readonly string[], options: ClientOptions = {}) {
  const client = clientOf(labels, options)
  keep({ [Symbol.asyncDispose]: () => client.close({ withinMs: 0 }) })
  const upstreams = (): readonly UpstreamInspection[] =>
    Object.values(client.inspect().services[HOST]?.origins ?? {}).flatMap((origin) => origin.upstreams)
  const open = (
    own: Omit<ConnectOptions, 'host' | 'tls'> & { tls: true | tls.ConnectionOptions },
  ): tls.TLSSocket => connect(client, { host: HOST, ...own })
  return { client, upstreams, open }
}

async function failureOf(socket: net.Socket): Promise<NodeJS.ErrnoException> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  return error
}

async function textUntil(socket: net.Socket, end: string): Promise<string> {
  let text = ''
  // One read may bring several records, each with an event of its own: none may come between two listeners.
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += String(chunk)
      if (text.endsWith(end)) resolve()
    })
  })
  return text
}

test('a TLS socket, whose name is the service’s, after fail-over', async () => {
  const { label } = await server('127.0.1.1')
  const { open, upstreams, client } = world([await refusingAddress(), label])
  const socket = open({ tls: { ca } })
  expect(socket).toBeInstanceOf(tls.TLSSocket)
  socket.write('early')
  expect(await textUntil(socket, 'early')).toBe(`${HOST} early`)
  expect(socket.authorized).toBe(true)
  expect(upstreams()).toMatchObject([
    { state: 'ejected', pending: 0 },
    { upstream: label, state: 'available', pending: 1, failures: 0 },
  ])
  socket.end()
  await once(socket, 'close')
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
})

test('megabytes go through', async () => {
  const { label } = await server('127.0.1.1')
  const { open } = world([label])
  const socket = open({ tls: { ca } })
  const sent = Buffer.alloc(3_000_000, 'x')
  socket.write(sent)
  let received = 0
  for await (const chunk of socket) {
    received += (chunk as Buffer).length
    if (received >= sent.length) break
  }
  expect(received).toBeGreaterThanOrEqual(sent.length)
})

test('a certificate that does not verify ejects the task, and the next socket goes elsewhere', async () => {
  const [bad, good] = [await server('127.0.1.1'), await server('127.0.1.2')]
  const { open, upstreams, client } = world([bad.label, good.label])
  expect(await failureOf(open({ tls: { ca: otherCa } }))).toMatchObject({
    code: expect.stringContaining('UNABLE') as string,
  })
  expect(upstreams()).toMatchObject([{ state: 'ejected', failures: 1 }, { state: 'available' }])
  const socket = open({ tls: { ca } })
  await once(socket, 'secureConnect')
  expect(`127.0.1.2:${socket.remotePort}`).toBe(good.label)
  socket.destroy()
  const named = open({ tls: { ca, servername: 'other.example' } })
  expect(await failureOf(named)).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
})

test('checkServerIdentity is the caller’s', async () => {
  const { label } = await server('127.0.1.1')
  const names: string[] = []
  const checkServerIdentity = (name: string): undefined => void names.push(name)
  const { open } = world([label])
  for (const servername of ['own.example', undefined, '']) {
    const socket = open({
      tls: { ca, checkServerIdentity, ...(servername === undefined ? {} : { servername }) },
    })
    await once(socket, 'secureConnect')
    socket.destroy()
  }
  expect(names).toEqual(['own.example', HOST, HOST])
})

test('a load balancer is called and verified by its own name', async () => {
  const { port } = await server('127.0.0.1', { cert: balancerCert, key: balancerKey })
  const { open } = world([], { fallback: `https://localhost:${port}` })
  const names: string[] = []
  const checkServerIdentity = (name: string): undefined => void names.push(name)
  const socket = open({ tls: { ca: otherCa, checkServerIdentity } })
  expect(await textUntil(socket, ' ')).toBe('localhost ')
  expect(names).toEqual(['localhost'])
  socket.destroy()
  // The certificate is of another name.
  const error = await failureOf(open({ tls: { ca: otherCa } }))
  expect(error).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID', host: 'localhost' })
})

test('errors of the connection are the TLS socket’s, and nothing is left', async () => {
  const { open, client } = world(['127.0.1.1:1'])
  expect(await failureOf(open({ tls: true }))).toMatchObject({ code: 'ECONNREFUSED' })
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
  const silent = net.createServer(() => undefined).listen(0, '127.0.1.1')
  await once(silent, 'listening')
  const { port } = silent.address() as net.AddressInfo
  const stuck = world([`127.0.1.1:${port}`])
  expect(await failureOf(stuck.open({ tls: true, withinMs: 60 }))).toMatchObject({ code: 'ETIMEDOUT' })
  await expect.poll(() => stuck.client.inspect().callsUnderWay).toBe(0)
  silent.close()
  const reset = net.createServer((socket) => socket.resetAndDestroy()).listen(0, '127.0.1.1')
  await once(reset, 'listening')
  const broken = world([`127.0.1.1:${(reset.address() as net.AddressInfo).port}`])
  expect(await failureOf(broken.open({ tls: true }))).toMatchObject({ code: 'ECONNRESET' })
  expect(broken.upstreams()).toMatchObject([{ state: 'ejected', failures: 1 }])
  await expect.poll(() => broken.client.inspect().callsUnderWay).toBe(0)
  reset.close()
  await client.close()
  expect(await failureOf(open({ tls: true }))).toMatchObject({ code: 'ONEHOP_CLOSED' })
  const aborted = open({ tls: true, signal: AbortSignal.abort() })
  expect(await failureOf(aborted)).toMatchObject({ name: 'AbortError' })
})

test('a TLS handshake has the rest of connectMs; then the socket fails, and the next one goes elsewhere', async () => {
  const silent = net.createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.1.1')
  await once(silent, 'listening')
  const stuck = `127.0.1.1:${(silent.address() as net.AddressInfo).port}`
  const { label } = await server('127.0.1.2')
  const { open, upstreams, client } = world([stuck, label], { timeouts: { connectMs: 200 } })
  const begun = performance.now()
  const error = await failureOf(open({ tls: { ca } }))
  expect(error).toMatchObject({ code: 'ETIMEDOUT', message: expect.stringContaining('in 200 ms') as string })
  expect(performance.now() - begun).toBeGreaterThan(190)
  expect(upstreams()).toMatchObject([{ state: 'ejected', failures: 1 }, { state: 'available' }])
  const socket = connect(client, { host: HOST })
  await once(socket, 'connect')
  expect(`127.0.1.2:${socket.remotePort}`).toBe(label)
  socket.destroy()
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
  silent.close()
})

test('after the handshake there is no limit', async () => {
  const { label } = await server('127.0.1.1')
  // A busy process may need a part of it for the handshake.
  const { open, client } = world([label], { timeouts: { connectMs: 2_000 } })
  const socket = open({ tls: { ca } })
  await once(socket, 'secureConnect')
  await dueIn(2_000)
  socket.write('late')
  expect(await textUntil(socket, 'late')).toContain('late')
  socket.destroy()
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
})

test('a driver’s own TLS over a plain socket ends the lease with it', async () => {
  const { label } = await server('127.0.1.1')
  const { client } = world([label])
  const plain = connect(client, { host: HOST })
  await once(plain, 'connect')
  const secure = tls.connect({ socket: plain, servername: HOST, ca })
  secure.write('over')
  expect(await textUntil(secure, 'over')).toBe(`${HOST} over`)
  expect(client.inspect().callsUnderWay).toBe(1)
  secure.destroy()
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
})

test('TLS to a host that is not discovered is Node’s', async () => {
  const { port } = await server('127.0.0.1', { cert: balancerCert, key: balancerKey })
  const { client } = world([])
  const socket = connect(client, {
    host: 'localhost',
    port,
    tls: { ca: otherCa, servername: 'balancer.shop.example' },
  })
  expect(await textUntil(socket, ' ')).toBe('balancer.shop.example ')
  socket.destroy()
  const failed = connect(client, { host: 'localhost', port, tls: true })
  expect(await failureOf(failed)).toMatchObject({ code: expect.stringContaining('UNABLE') as string })
})
