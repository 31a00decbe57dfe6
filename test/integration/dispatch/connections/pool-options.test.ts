/** Options of `pool` that undici itself would read: they hold although the library makes the connections. */
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'

const { keep, servers } = resources()

test.each([{ useH2c: true }, { h2Options: { useH2c: true } }])(
  '%j speaks HTTP/2 without TLS',
  async (pool) => {
    const server = createServer((request, response) => response.end(request.httpVersion))
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    keep({ [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) })
    const { port } = server.address() as AddressInfo
    const client = keep(clientOf([`127.0.1.1:${port}`], { pool: { allowH2: true, ...pool } }))
    const { body } = await client.request(ORIGIN)
    expect(await body.text()).toBe('2.0')
  },
)

type Found = (error: null, found: unknown, family?: number) => void

test.each([true, false])(
  'autoSelectFamily: %j holds for names, as a load balancer has one',
  async (wanted) => {
    const [balancer] = await servers(1)
    const addresses = ['127.0.1.250', '127.0.1.1'].map((address) => ({ address, family: 4 }))
    const lookup = (_host: string, { all }: { all?: boolean | undefined }, found: Found): void =>
      all === true ? found(null, addresses) : found(null, addresses[0]?.address, 4)
    const client = keep(
      clientOf([], {
        fallback: `http://balancer.internal:${balancer?.port}`,
        pool: {
          autoSelectFamily: wanted,
          autoSelectFamilyAttemptTimeout: 50,
          connect: { lookup: lookup as never },
        },
        retry: false,
      }),
    )
    const outcome = await client.request(ORIGIN).then(
      ({ statusCode }) => statusCode,
      (error: NodeJS.ErrnoException) => error.code,
    )
    expect(outcome).toBe(wanted ? 200 : 'ECONNREFUSED')
  },
)
