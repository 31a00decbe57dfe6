/** Libraries that have a protocol or a framework above their requests. */
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client/core'
import { HttpModule, HttpService } from '@nestjs/axios'
import { NestFactory } from '@nestjs/core'
import { createTRPCClient, httpBatchLink } from '@trpc/client'
import { Client as UrqlClient, fetchExchange } from '@urql/core'
import { GraphQLClient } from 'graphql-request'
import { hc } from 'hono/client'
import http from 'node:http'
import https from 'node:https'
import 'reflect-metadata'
import { ordersByApollo, ordersByGraphqlRequest, ordersByUrql } from '../../../../examples/recipes/graphql.ts'
import { ordersByHono } from '../../../../examples/recipes/hono.ts'
import { ordersModule } from '../../../../examples/recipes/nestjs.ts'
import { ordersByTrpc, type ordersRouter } from '../../../../examples/recipes/trpc.ts'
import type { Library, Seen } from '../../recipes/library.ts'
import { sendByAxios } from './axios.ts'
import { headersOf, rawOf } from './bodies.ts'
import { library } from './library.ts'

const QUERY = 'query Order($id: Int) { order(id: $id) { task } }'
const MUTATION = 'mutation Place { order { task } }'

interface Answer {
  readonly order: Seen
}

let lastId = 0

/** No two queries are the same: urql sends those once that are under way at the same time. */
function variables(): { id: number } {
  return { id: lastId++ }
}

function operationOf(method: 'GET' | 'POST'): string {
  return method === 'GET' ? QUERY : MUTATION
}

export const RPC: readonly Library[] = [
  library('NestJS HttpModule', {
    door: 'fetch',
    bodies: ['json', 'form'],
    ours: (client, origin) => nestApp(ordersModule(client, origin)),
    plain: (origin) =>
      nestApp(
        HttpModule.register({
          baseURL: origin,
          timeout: 5_000,
          httpAgent: new http.Agent({ keepAlive: true }),
          httpsAgent: new https.Agent({ keepAlive: true }),
        }),
      ),
    send: (app, sent) => sendByAxios(app.get(HttpService).axiosRef, sent),
    close: (app) => app.close(),
  }),
  library('graphql-request', {
    door: 'fetch',
    queriesByPost: true,
    ours: (client, origin) => ordersByGraphqlRequest(client, `${origin}/graphql`),
    plain: (origin) => new GraphQLClient(`${origin}/graphql`),
    async send(api, { method, signal }) {
      const { order } = await api.request<Answer>({
        document: operationOf(method),
        ...(method === 'GET' && { variables: variables() }),
        ...(signal && { signal }),
      })
      return order
    },
  }),
  library('urql', {
    door: 'fetch',
    ours: (client, origin) => ordersByUrql(client, `${origin}/graphql`),
    plain: (origin) => new UrqlClient({ url: `${origin}/graphql`, exchanges: [fetchExchange] }),
    send(api, { method, signal }) {
      const result =
        method === 'GET' ? api.query<Answer>(QUERY, variables()) : api.mutation<Answer>(MUTATION, {})
      // urql sets a signal of its own: a call is aborted by the end of its subscription.
      return new Promise((resolve, reject) => {
        const subscription = result.subscribe(({ data, error }) => {
          subscription.unsubscribe()
          if (data === undefined) reject(error ?? new Error('neither data nor error'))
          else resolve(data.order)
        })
        signal?.addEventListener('abort', () => {
          subscription.unsubscribe()
          reject(new Error('unsubscribed'))
        })
      })
    },
  }),
  library('Apollo Client', {
    door: 'fetch',
    ours: (client, origin) => ordersByApollo(client, `${origin}/graphql`),
    plain: (origin) =>
      new ApolloClient({
        link: new HttpLink({ uri: `${origin}/graphql` }),
        cache: new InMemoryCache(),
      }),
    async send(api, { method, signal }) {
      const context = { fetchOptions: { signal }, queryDeduplication: false }
      const { data } =
        method === 'GET'
          ? await api.query<Answer>({
              query: gql(QUERY),
              variables: variables(),
              context,
              fetchPolicy: 'no-cache',
            })
          : await api.mutate<Answer>({ mutation: gql(MUTATION), context, fetchPolicy: 'no-cache' })
      if (data === undefined || data === null) throw new Error('no data')
      return data.order
    },
    close: (api) => api.stop(),
  }),
  library('hono hc', {
    door: 'fetch',
    ours: ordersByHono,
    plain: (origin) => hc(origin) as unknown as ReturnType<typeof ordersByHono>,
    async send(api, sent) {
      const { method, signal } = sent
      const init = { headers: headersOf(sent), ...(signal && { signal }) }
      const orders = api.v1.orders
      const response =
        method === 'GET'
          ? await orders.$get({}, { init })
          : await orders.$post({}, { init: { ...init, body: rawOf(sent) as string } })
      if (!response.ok) throw new Error(`status ${response.status}`)
      return (await response.json()) as Seen
    },
  }),
  library('tRPC', {
    door: 'fetch',
    ours: (client, origin) => ordersByTrpc(client, `${origin}/trpc`),
    plain: (origin) =>
      createTRPCClient<typeof ordersRouter>({ links: [httpBatchLink({ url: `${origin}/trpc` })] }),
    send(api, { method, signal }) {
      const options = signal === undefined ? {} : { signal }
      return method === 'GET' ? api.get.query(undefined, options) : api.place.mutate(undefined, options)
    },
  }),
]

function nestApp(module: Parameters<typeof NestFactory.createApplicationContext>[0]) {
  return NestFactory.createApplicationContext(module, { logger: false, abortOnError: false })
}
