import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { clientOf } from '../../../support/clients.ts'
import { ca, cert, key } from '../../../support/transports/tls.ts'

const open: { close(done?: () => void): unknown }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function listen(server: Server | Http2SecureServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  open.push({ close: () => new Promise((resolve) => server.close(resolve)) })
  return (server.address() as AddressInfo).port
}

const trusting = { pool: { connect: { ca } } }

describe('https', () => {
  test('verifies the certificate against the name while it connects to the address', async () => {
    const servernames: unknown[] = []
    const server = createServer({ key, cert }, (request, response) => {
      servernames.push((request.socket as unknown as { servername: string }).servername)
      response.end(request.headers.host)
    })
    const port = await listen(server)
    const client = clientOf(['127.0.1.1'], trusting)
    const response = await client.fetch(`https://orders.shop.local:${port}/`)
    expect(await response.text()).toBe(`orders.shop.local:${port}`)
    expect(servernames).toEqual(['orders.shop.local'])
    await client.close()
  })

  test('names the server without the dot that the caller wrote at the end of the host (RFC 6066)', async () => {
    const servernames: unknown[] = []
    const server = createServer({ key, cert }, (_request, response) => void response.end('ok'))
    server.on('secureConnection', ({ servername }) => servernames.push(servername))
    const port = await listen(server)
    const client = clientOf(['127.0.1.1'], trusting)
    expect(await (await client.fetch(`https://orders.shop.local.:${port}/`)).text()).toBe('ok')
    expect(servernames).toEqual(['orders.shop.local'])
    await client.close()
  })

  test('refuses a certificate for another name, and one that is not trusted', async () => {
    const port = await listen(createServer({ key, cert }, (_request, response) => void response.end()))
    const other = clientOf(['127.0.1.1'], { ...trusting, retry: false })
    await expect(other.request(`https://stock.shop.local:${port}/`)).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
    const distrusting = clientOf(['127.0.1.1'])
    await expect(distrusting.request(`https://orders.shop.local:${port}/`)).rejects.toMatchObject({
      code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
      cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    })
    await Promise.all([other.close(), distrusting.close()])
  })

  test("calls the load balancer by the load balancer's name", async () => {
    const port = await listen(
      createServer({ key, cert }, (request, response) => void response.end(request.headers.host)),
    )
    // The name resolves nowhere: the connector that undici gets is the only one that knows the address.
    const client = clientOf([], {
      fallback: `https://balancer.shop.example:${port}`,
      pool: {
        connect: {
          ca,
          lookup: (_host, _options, found) => found(null, [{ address: '127.0.1.1', family: 4 }]),
        },
      },
    })
    const response = await client.fetch('https://orders.shop.local/')
    expect(await response.text()).toBe(`balancer.shop.example:${port}`)
    await client.close()
  })

  test('speaks HTTP/2 where the task does, with the name as authority', async () => {
    const server = createSecureServer({ key, cert }, (request, response) => {
      response.end(`${request.httpVersion} ${request.authority}`)
    })
    const port = await listen(server)
    const client = clientOf(['127.0.1.1'], { pool: { allowH2: true, connect: { ca } } })
    for (let i = 0; i < 3; i++) {
      const response = await client.fetch(`https://orders.shop.local:${port}/`, { method: 'POST', body: 'x' })
      expect(await response.text()).toBe(`2.0 orders.shop.local:${port}`)
    }
    await client.close()
  })

  test('speaks HTTP/1.1 to a task that would do both, when HTTP/2 is not allowed', async () => {
    const server = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
      response.end(request.httpVersion)
    })
    const port = await listen(server)
    const client = clientOf(['127.0.1.1'], { pool: { allowH2: false, connect: { ca } } })
    expect(await (await client.fetch(`https://orders.shop.local:${port}/`)).text()).toBe('1.1')
    await client.close()
  })
})
