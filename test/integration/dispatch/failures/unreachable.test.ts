/**
 * Addresses to which the kernel of this host refuses to connect. Linux says ENETUNREACH to TCP connections to broadcast
 * and multicast addresses, whatever routes there are.
 */
import { createClient, staticResolver, type Client, type UpstreamInspection } from 'onehop'
import { expect, test } from 'vitest'
import { ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'

const { keep, servers } = resources()
const UNREACHABLE = ['255.255.255.255:80', '224.0.0.1:80']

function clientOf(addresses: readonly string[], fallback?: string): Client {
  const discovery = staticResolver({ 'orders.shop.local': addresses })
  return keep(createClient({ services: { 'orders.shop.local': { fallback } }, discovery }))
}

function upstreamsOf(client: Client): readonly UpstreamInspection[] {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
}

/** At first, and as probes after 1 s, 2 s more, and so on. */
function mostRequests(sinceMs: number): number {
  return 2 + (performance.now() - sinceMs) / 1_000
}

async function get(client: Client): Promise<string> {
  const { body } = await client.request(ORIGIN, { method: 'POST', body: 'x' })
  return body.text()
}

test('those among others are out, and every call is answered', async () => {
  const [task] = await servers(1)
  const client = clientOf([task?.label ?? '', ...UNREACHABLE])
  const startedAt = performance.now()
  for (let call = 0; call < 100; call++) expect(await get(client)).toBe(task?.label)
  const out = upstreamsOf(client).filter(({ state }) => state === 'ejected')
  expect(out.map(({ upstream }) => upstream).toSorted()).toEqual(UNREACHABLE.toSorted())
  for (const { cause, failures, requests } of out) {
    expect({ cause, failures }).toEqual({ cause: 'refuses', failures: requests })
    expect(requests).toBeLessThan(mostRequests(startedAt))
  }
})

test('where all tasks are such, the load balancer takes the calls', async () => {
  const [balancer] = await servers(1)
  const client = clientOf(UNREACHABLE, `http://${balancer?.label}`)
  const startedAt = performance.now()
  for (let call = 0; call < 100; call++) expect(await get(client)).toBe(balancer?.label)
  for (const { tier, requests } of upstreamsOf(client)) {
    if (tier === 1) expect(requests).toBe(100)
    else expect(requests).toBeLessThan(mostRequests(startedAt))
  }
})

test('without another address it is this host: none is ejected', async () => {
  const client = clientOf(UNREACHABLE)
  for (let call = 0; call < 5; call++)
    await expect(get(client)).rejects.toMatchObject({ code: 'ONEHOP_ATTEMPTS_EXHAUSTED' })
  expect(upstreamsOf(client).map(({ state }) => state)).toEqual(['available', 'available'])
})
