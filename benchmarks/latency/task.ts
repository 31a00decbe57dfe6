/** A task: `node task.ts ADDRESS`. HTTP on 8080, HTTPS on 8443, a kilobyte of JSON. Prints a line when it listens. */
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { cert, key } from '../../test/support/transports/tls.ts'

export const PORT = 8_080
export const TLS_PORT = 8_443

if (import.meta.main) {
  const address = process.argv[2] ?? '127.0.0.1'
  const body = JSON.stringify({
    items: Array.from({ length: 20 }, (_, id) => ({ id, state: 'shipped', of: 'orders' })),
  })
  const answer = (_request: IncomingMessage, response: ServerResponse): void => {
    response.setHeader('content-type', 'application/json')
    response.end(body)
  }
  const options = { keepAliveTimeout: 75_000 }
  const servers = [
    [createServer(options, answer), PORT],
    [createTlsServer({ ...options, key, cert }, answer), TLS_PORT],
  ] as const
  await Promise.all(
    servers.map(([server, port]) => new Promise<void>((resolve) => server.listen(port, address, resolve))),
  )
  console.log('listening')
}
