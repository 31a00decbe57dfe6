import { createClient } from 'onehop'
import { callerThrough, type Client } from './caller.ts'

export const onehop: Client = {
  name: 'onehop',
  countsAttempts: true,
  async start(stage, host) {
    const client = createClient({
      namespaces: ['shop.local'],
      discovery: 'dns',
      dns: { servers: stage.dnsServers },
      allowLoopback: true,
      ...(stage.transport.pool === undefined ? {} : { pool: stage.transport.pool }),
      ...stage.scenario.options,
      ...(stage.fallback === undefined ? {} : { fallback: stage.fallback }),
    })
    return callerThrough(client.dispatcher, stage.originOf(host), stage.pathOf(host), () => client.close())
  },
}
