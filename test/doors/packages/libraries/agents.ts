/** Libraries over the agents of `onehop/http`. */
import { CreateMultipartUploadCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import axios from 'axios'
import got16 from 'got'
import got14 from 'got14'
import nodeFetch from 'node-fetch'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { json } from 'node:stream/consumers'
import superagent from 'superagent'
import { storageByAgents, storageByDispatcher } from '../../../../examples/recipes/aws-sdk.ts'
import { ordersByAxiosAgents } from '../../../../examples/recipes/axios.ts'
import { ordersByGot } from '../../../../examples/recipes/got.ts'
import { nodeFetchOver } from '../../../../examples/recipes/node-fetch.ts'
import { superagentOver } from '../../../../examples/recipes/superagent.ts'
import { OnehopHttpAgent, OnehopHttpsAgent } from '../../../../src/http/index.ts'
import type { Client } from '../../../../src/index.ts'
import type { Library, Seen } from '../../recipes/library.ts'
import { sendByAxios } from './axios.ts'
import { headersOf, jsonOf, rawOf, streamOf } from './bodies.ts'
import { library, type LibraryOf } from './library.ts'

const PATH = '/v1/orders'

/** As Node's own agents are used by those that care: connections are kept. */
function keptAgents(): { http: http.Agent; https: https.Agent } {
  return { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) }
}

type Requesting = (options: http.RequestOptions) => http.ClientRequest

function requestingBy(origin: string, agent: http.Agent): Requesting {
  const { request } = origin.startsWith('https:') ? https : http
  return (options) => request(origin + PATH, { agent, timeout: 5_000, ...options })
}

function oursOf(client: Client, origin: string): http.Agent {
  return origin.startsWith('https:') ? new OnehopHttpsAgent(client) : new OnehopHttpAgent(client)
}

type NodeFetch = { readonly origin: string; readonly fetch: ReturnType<typeof nodeFetchOver> }

type Superagent = ReturnType<typeof superagentOver>

const gotAs = (make: LibraryOf<typeof got16>['plain']): LibraryOf<typeof got16> => ({
  door: 'agents',
  bodies: ['json', 'stream', 'form'],
  ours: ordersByGot,
  plain: make,
  async send(api, sent) {
    const { method, signal, headers = {} } = sent
    const value = jsonOf(sent)
    const body =
      value === undefined
        ? { body: (sent.body?.kind === 'stream' ? streamOf(sent) : rawOf(sent)) as never }
        : { json: value }
    return api(PATH.slice(1), {
      method,
      headers,
      ...(signal && { signal }),
      ...(method === 'POST' && body),
    }).json<Seen>()
  },
})

const storage = (its: Pick<LibraryOf<S3Client>, 'door' | 'ours'>): LibraryOf<S3Client> => ({
  ...its,
  plain: (endpoint) => new S3Client({ endpoint, forcePathStyle: true }),
  async send(api, { method, signal }) {
    const options = signal === undefined ? {} : { abortSignal: signal }
    const place = { Bucket: 'orders', Key: '42' }
    if (method === 'GET') {
      const { Body } = await api.send(new GetObjectCommand(place), options)
      return JSON.parse((await Body?.transformToString()) ?? '') as Seen
    }
    const { UploadId = '' } = await api.send(new CreateMultipartUploadCommand(place), options)
    return { task: UploadId }
  },
  close: (api) => api.destroy(),
})

export const AGENTS: readonly Library[] = [
  library<Requesting>('node:http(s)', {
    door: 'agents',
    bodies: ['json'],
    ours: (client, origin) => requestingBy(origin, oursOf(client, origin)),
    plain: (origin) => requestingBy(origin, keptAgents()[origin.startsWith('https:') ? 'https' : 'http']),
    async send(ask, sent) {
      const { method, signal } = sent
      const request = ask({ method, headers: headersOf(sent), ...(signal && { signal }) })
      request.on('timeout', () => request.destroy(new Error('timeout')))
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request
          .on('response', resolve)
          .on('error', reject)
          .end(rawOf(sent) as string | undefined)
      })
      const seen = (await json(response)) as Seen
      if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
      return seen
    },
  }),
  library('axios (http)', {
    door: 'agents',
    bodies: ['json', 'stream', 'form'],
    ours: ordersByAxiosAgents,
    plain(origin) {
      const { http: httpAgent, https: httpsAgent } = keptAgents()
      return axios.create({ baseURL: origin, timeout: 5_000, adapter: 'http', httpAgent, httpsAgent })
    },
    send: sendByAxios,
  }),
  library(
    'got 16',
    gotAs((origin) => got16.extend({ prefixUrl: origin, agent: keptAgents(), timeout: { request: 5_000 } })),
  ),
  library('got 14', {
    ...gotAs(
      (origin) =>
        got14.extend({ prefixUrl: origin, agent: keptAgents(), timeout: { request: 5_000 } }) as never,
    ),
    ours: (client, origin) =>
      got14.extend({
        prefixUrl: origin,
        agent: { http: new OnehopHttpAgent(client), https: new OnehopHttpsAgent(client) },
        retry: { limit: 1, backoffLimit: 25 },
        timeout: { request: 5_000 },
      }) as never,
  }),
  library<NodeFetch>('node-fetch', {
    door: 'agents',
    bodies: ['json', 'stream', 'form'],
    ours: (client, origin) => ({ origin, fetch: nodeFetchOver(client) }),
    plain(origin) {
      const agents = keptAgents()
      const agent = origin.startsWith('https:') ? agents.https : agents.http
      return {
        origin,
        fetch: (url, init) => nodeFetch(url, { agent, signal: AbortSignal.timeout(5_000), ...init }),
      }
    },
    async send({ origin, fetch }, sent) {
      const { method, signal } = sent
      const body = (sent.body?.kind === 'stream' ? streamOf(sent) : rawOf(sent)) as never
      const response = await fetch(origin + PATH, {
        method,
        headers: headersOf(sent),
        ...(signal && { signal }),
        ...(method === 'POST' && { body }),
      })
      if (!response.ok) throw new Error(`status ${response.status}`)
      return (await response.json()) as Seen
    },
  }),
  library<Superagent>('superagent', {
    door: 'agents',
    bodies: ['json', 'form'],
    ours: superagentOver,
    plain(origin) {
      const agent = keptAgents()[origin.startsWith('https:') ? 'https' : 'http']
      return (method, path) =>
        superagent(method, origin + path)
          .agent(agent)
          .timeout(5_000)
    },
    async send(ask, sent) {
      const { method, signal, headers = {} } = sent
      const request = ask(method, PATH).set(headers)
      signal?.addEventListener('abort', () => void request.abort())
      if (sent.body?.kind === 'form') void request.field(sent.body.fields)
      else if (method === 'POST') void request.send(jsonOf(sent) ?? {})
      return (await request).body as Seen
    },
  }),
  library('AWS SDK (node handler)', storage({ door: 'agents', ours: storageByAgents })),
  library('AWS SDK (undici handler)', storage({ door: 'dispatcher', ours: storageByDispatcher })),
]
