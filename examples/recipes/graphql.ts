import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client/core'
import { Client as UrqlClient, fetchExchange } from '@urql/core'
import { GraphQLClient } from 'graphql-request'
import type { Client } from 'onehop'

const URL = 'http://orders.shop.local/graphql'

export function ordersByGraphqlRequest(client: Client, url = URL): GraphQLClient {
  // Queries are POSTs, which are not repeated once they were sent. `idempotent` allows it.
  const fetch: typeof globalThis.fetch = (input, init) => client.fetch(input, { ...init, idempotent: true })
  return new GraphQLClient(url, { fetch })
}

export function ordersByUrql(client: Client, url = URL): UrqlClient {
  return new UrqlClient({ url, fetch: client.fetch, preferGetMethod: true, exchanges: [fetchExchange] })
}

export function ordersByApollo(client: Client, uri = URL): ApolloClient {
  const link = new HttpLink({ uri, fetch: client.fetch, useGETForQueries: true })
  return new ApolloClient({ link, cache: new InMemoryCache() })
}
