/** A service that calls orders directly, and through the load balancer if the tasks cannot be reached. */
import { createServer } from 'node:http'
import { createClient, onEvent } from 'onehop'
import { gracefulShutdown } from 'onehop/ecs'

const { ORDERS_URL = 'http://orders.shop.local:8080', ORDERS_FALLBACK: fallback, PORT = '8080' } = process.env

const client = createClient({
  namespaces: ['shop.local'],
  services: { [new URL(ORDERS_URL).hostname]: { fallback } },
})
onEvent('onehop:call.fell-back', (event) => console.warn('through the load balancer:', event))

const server = createServer((request, response) => {
  if (request.url === '/ready') response.end()
  else
    client
      .fetch(new URL(request.url ?? '/', ORDERS_URL))
      .then(async (answer) => response.writeHead(answer.status).end(await answer.text()))
      .catch((error: unknown) => {
        console.error(error)
        response.writeHead(502).end()
      })
})
server.keepAliveTimeout = 65_000

gracefulShutdown({ servers: server, onClose: () => client.close() })
server.listen(Number(PORT))
