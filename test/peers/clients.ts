/** Clients that know nothing but DNS servers on loopback, and what they say of themselves. */
import { createClient, roundRobin, type Client, type ClientOptions, type ServiceInspection } from 'onehop'
import { ORIGIN } from '../support/clients.ts'
import { PATIENT } from './lookups.ts'

export const HOST = 'orders.shop.local'

/** Takes tasks in turn, so that a few calls meet all of them. */
export function clientOf(dnsServers: readonly string[], options: ClientOptions = {}): Client {
  return createClient({
    namespaces: ['shop.local'],
    discovery: 'dns',
    dns: { ...PATIENT, servers: dnsServers },
    allowLoopback: true,
    balancer: roundRobin(),
    // The shortest waits between lookups that fail.
    random: { next: () => 0 },
    ...options,
  })
}

export async function call(client: Client): Promise<string> {
  return (await client.fetch(ORIGIN)).text()
}

export function inspect(client: Client): ServiceInspection | undefined {
  return client.inspect().services[HOST]
}
