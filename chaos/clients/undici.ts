import { Resolver } from 'node:dns/promises'
import pRetry from 'p-retry'
import { Agent, BalancedPool, interceptors } from 'undici'
import type { Stage } from '../stage.ts'
import { callerThrough, type Client } from './caller.ts'

const RETRIES = 2

/** With the records' own TTLs, which undici's default lookup does not have. */
function dns(stage: Stage): ReturnType<typeof interceptors.dns> {
  const resolver = new Resolver()
  resolver.setServers([stage.dns])
  return interceptors.dns({
    lookup: ({ hostname }, _options, callback) => {
      resolver.resolve4(hostname, { ttl: true }).then(
        (records) =>
          callback(
            null,
            records.map(({ address, ttl }) => ({ address, ttl: ttl * 1_000, family: 4 })),
          ),
        (error: NodeJS.ErrnoException) => callback(error, []),
      )
    },
  })
}

export const undiciDns: Client = {
  name: 'undici dns',
  countsAttempts: true,
  async start(stage, host) {
    const agent = new Agent()
    return callerThrough(agent.compose(dns(stage)), stage.originOf(host), stage.pathOf(host), () =>
      agent.destroy(),
    )
  },
}

export const undiciDnsRetry: Client = {
  name: 'undici dns + retry',
  countsAttempts: true,
  async start(stage, host) {
    const agent = new Agent()
    const retry = interceptors.retry({ maxRetries: RETRIES, minTimeout: 10 })
    // Outside of dns: each try is to go to another address.
    const dispatcher = agent.compose(dns(stage), retry)
    return callerThrough(dispatcher, stage.originOf(host), stage.pathOf(host), () => agent.destroy())
  },
}

export const undiciDnsPRetry: Client = {
  name: 'undici dns + p-retry',
  countsAttempts: true,
  async start(stage, host) {
    const plain = await undiciDns.start(stage, host)
    return {
      call: (kind, signal) =>
        pRetry(
          async () => {
            const status = await plain.call(kind, signal)
            if (status >= 502 && status <= 504) throw new Error(`status ${status}`)
            return status
          },
          { retries: RETRIES, minTimeout: 10, signal, shouldRetry: () => kind !== 'POST' },
        ),
      [Symbol.asyncDispose]: () => plain[Symbol.asyncDispose](),
    }
  },
}

export const balancedPool: Client = {
  name: 'undici BalancedPool',
  countsAttempts: true,
  async start(stage, host) {
    const addresses = stage.membersOf(host).map(({ address, port }) => `http://${address}:${port}`)
    const pool = new BalancedPool(addresses)
    return callerThrough(pool, stage.originOf(host), stage.pathOf(host), () => pool.destroy())
  },
}
