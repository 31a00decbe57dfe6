/** Libraries over `client.fetch` and `client.dispatcher`. */
import axios from 'axios'
import ky from 'ky'
import { ofetch } from 'ofetch'
import createApi from 'openapi-fetch'
import { Agent, interceptors, request } from 'undici'
import { ordersByAxiosFetch } from '../../../../examples/recipes/axios.ts'
import { ordersByKy } from '../../../../examples/recipes/ky.ts'
import { ordersByOfetch } from '../../../../examples/recipes/ofetch.ts'
import { ordersByOpenapiFetch, type paths } from '../../../../examples/recipes/openapi-fetch.ts'
import { composedOver } from '../../../../examples/recipes/undici-compose.ts'
import type { Library, Seen, Sent } from '../../recipes/library.ts'
import { sendByAxios } from './axios.ts'
import { headersOf, jsonOf, rawOf } from './bodies.ts'
import { library } from './library.ts'

const PATH = '/v1/orders'
const ALL = ['json', 'stream', 'form'] as const

async function seenOf(response: Response): Promise<Seen> {
  if (!response.ok) throw new Error(`status ${response.status}`)
  return (await response.json()) as Seen
}

interface Fetching {
  readonly origin: string
  readonly fetch: typeof globalThis.fetch
}

interface Requesting {
  readonly origin: string
  readonly request: typeof request
}

async function sendByRequest({ origin, request: ask }: Requesting, sent: Sent): Promise<Seen> {
  const { method, signal = null } = sent
  const body = rawOf(sent) as string | null
  const response = await ask(origin + PATH, { method, signal, body: body ?? null, headers: headersOf(sent) })
  const text = await response.body.text()
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
  return JSON.parse(text) as Seen
}

function dispatching(origin: string, dispatcher: object): Requesting {
  const over = ((url, options) =>
    request(url, { ...options, dispatcher: dispatcher as Agent })) as typeof request
  return { origin, request: over }
}

export const FETCHING: readonly Library[] = [
  library<Fetching>('fetch', {
    door: 'fetch',
    bodies: ALL,
    ours: ({ fetch }, origin) => ({ origin, fetch }),
    plain: (origin) => ({ origin, fetch: globalThis.fetch }),
    async send({ origin, fetch }, sent) {
      const { method, signal = null } = sent
      const body = rawOf(sent)
      const init = { method, signal, headers: headersOf(sent), duplex: 'half' as const }
      return seenOf(await fetch(origin + PATH, body === undefined ? init : { ...init, body }))
    },
  }),
  library<Requesting>('undici request', {
    door: 'dispatcher',
    bodies: ['json', 'form'],
    ours: (client, origin) => ({ origin, request: client.request }),
    plain: (origin) => ({ origin, request }),
    send: sendByRequest,
  }),
  library<Requesting>('undici compose', {
    door: 'dispatcher',
    bodies: ['json'],
    ours: (client, origin) => dispatching(origin, composedOver(client)),
    plain: (origin) =>
      dispatching(
        origin,
        new Agent().compose(interceptors.redirect({ maxRedirections: 3 }), interceptors.decompress()),
      ),
    send: sendByRequest,
  }),
  library('ky', {
    door: 'fetch',
    bodies: ALL,
    ours: ordersByKy,
    plain: (origin) => ky.create({ baseUrl: origin, timeout: 5_000 }),
    async send(api, sent) {
      const { method, signal, headers = {} } = sent
      const json = jsonOf(sent)
      const body = json === undefined ? { body: rawOf(sent) as string } : { json }
      return api(PATH, { method, headers, ...(signal && { signal }), ...(method === 'POST' && body) }).json()
    },
  }),
  library('ofetch', {
    door: 'fetch',
    bodies: ALL,
    ours: ordersByOfetch,
    plain: (origin) => ofetch.create({ baseURL: origin, timeout: 5_000 }),
    async send(api, sent) {
      const { method, signal, headers = {} } = sent
      const body = (jsonOf(sent) ?? rawOf(sent)) as Record<string, string>
      return api<Seen>(PATH, {
        method,
        headers,
        ...(signal && { signal }),
        ...(body && { body, duplex: 'half' }),
      })
    },
  }),
  library('openapi-fetch', {
    door: 'fetch',
    bodies: ['json'],
    ours: ordersByOpenapiFetch,
    plain: (origin) => createApi<paths>({ baseUrl: origin }),
    async send(api, sent) {
      const { method, signal, headers = {} } = sent
      const options = { headers, ...(signal && { signal }) }
      const { data, response } =
        method === 'GET'
          ? await api.GET(PATH, options)
          : await api.POST(PATH, { ...options, body: jsonOf(sent) as { sku: string } })
      if (data === undefined) throw new Error(`status ${response.status}`)
      return data
    },
  }),
  library('axios (fetch)', {
    door: 'fetch',
    bodies: ['json', 'form'],
    ours: ordersByAxiosFetch,
    plain: (origin) => axios.create({ baseURL: origin, timeout: 5_000, adapter: 'fetch' }),
    send: sendByAxios,
  }),
]
