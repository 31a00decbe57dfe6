/** Clients that others have, and ours. Each calls the service by its name, through a resolver that caches. */
import { Resolver } from 'node:dns/promises'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { createClient } from 'onehop'
import type { LocalAws } from 'onehop/testing'
import { Pool, request, type Dispatcher } from 'undici'
import { ca } from '../../support/transports/tls.ts'

export const HOST = 'orders.shop.local'

/** One way to call the service. */
export interface Caller extends AsyncDisposable {
  /** Resolves with the status, once the body has been read. */
  post(path: string): Promise<number>
}

export interface Reach {
  readonly aws: LocalAws
  /** `127.0.0.1:PORT` of the resolver that caches. */
  readonly dns: string
  readonly port: number
  readonly tls: boolean
  readonly h2c: boolean
}

export type ClientName =
  | 'undici Pool'
  | 'http.Agent, kept'
  | 'a connection per call'
  | 'onehop, DNS'
  | 'onehop, API'

const BODY = JSON.stringify({ items: ['shoes'] })
const CONNECTIONS = 8

function originOf({ tls, port }: Reach): string {
  return `${tls ? 'https' : 'http'}://${HOST}:${port}`
}

/** Asks DNS for each connection, and takes one of the answers at random. */
function lookupAt(dns: string): LookupFunction {
  const resolver = new Resolver({ timeout: 5_000, tries: 3 })
  resolver.setServers([dns])
  const draw = async (hostname: string): Promise<string> => {
    const addresses = await resolver.resolve4(hostname)
    return addresses[Math.floor(Math.random() * addresses.length)] ?? ''
  }
  return (hostname, { all }, callback) => {
    draw(hostname).then(
      (address) => (all === true ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4)),
      (error: NodeJS.ErrnoException) => callback(error, ''),
    )
  }
}

function through(dispatcher: Dispatcher, reach: Reach, close: () => Promise<void>): Caller {
  return {
    async post(path) {
      const { statusCode, body } = await request(`${originOf(reach)}${path}`, {
        ...{ dispatcher, method: 'POST', body: BODY },
        headers: { 'content-type': 'application/json' },
      })
      await body.text()
      return statusCode
    },
    [Symbol.asyncDispose]: close,
  }
}

function nodeCaller(reach: Reach, keepAlive: boolean): Caller {
  const Agent = reach.tls ? HttpsAgent : HttpAgent
  const ask = reach.tls ? httpsRequest : httpRequest
  const agent = new Agent({ keepAlive, maxSockets: CONNECTIONS, ...(reach.tls ? { ca } : {}) })
  const lookup = lookupAt(reach.dns)
  return {
    post: (path) =>
      new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json', 'content-length': BODY.length }
        const outgoing = ask(`${originOf(reach)}${path}`, { method: 'POST', agent, lookup, headers })
        outgoing.once('error', reject)
        outgoing.once('response', (response) => {
          response.once('error', reject).once('aborted', () => reject(new Error('the answer broke off')))
          response.once('end', () => resolve(response.statusCode ?? 0)).resume()
        })
        outgoing.end(BODY)
      }),
    async [Symbol.asyncDispose]() {
      agent.destroy()
    },
  }
}

function onehop(reach: Reach, discovery: 'dns' | 'api'): Caller {
  const { tls, h2c, aws, dns } = reach
  const client = createClient({
    ...{ namespaces: ['shop.local'], discovery, allowLoopback: true },
    dns: { servers: [dns] },
    // As fast as the TTL is scaled down.
    cloudMap: { ...aws.cloudMap, revisionMs: 1_000 },
    pool: { ...(tls ? { connect: { ca } } : {}), ...(h2c ? { allowH2: true, useH2c: true } : {}) },
  })
  return through(client.dispatcher, reach, () => client.close())
}

export const CLIENTS: Readonly<Record<ClientName, (reach: Reach) => Caller>> = {
  'undici Pool': (reach) => {
    const lookup = lookupAt(reach.dns)
    const pool = new Pool(originOf(reach), {
      connections: CONNECTIONS,
      connect: { lookup, ...(reach.tls ? { ca } : {}) },
      ...(reach.h2c ? { allowH2: true, useH2c: true } : {}),
    })
    return through(pool, reach, () => pool.destroy())
  },
  'http.Agent, kept': (reach) => nodeCaller(reach, true),
  'a connection per call': (reach) => nodeCaller(reach, false),
  'onehop, DNS': (reach) => onehop(reach, 'dns'),
  'onehop, API': (reach) => onehop(reach, 'api'),
}

/** Node's own client does not speak HTTP/2 in plain text. */
export const OVER_H2C: readonly ClientName[] = ['undici Pool', 'onehop, DNS', 'onehop, API']
