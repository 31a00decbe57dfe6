/**
 * A minimal load balancer: round robin over the targets that accept connections, another target if one refuses. The
 * demo starts it if HAProxy is not installed: `node embedded-proxy.ts <port> <address:port> ...`
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { Pool } from 'undici'

const [port, ...addresses] = process.argv.slice(2)
const targets = addresses.map((address) => ({ address, pool: new Pool(`http://${address}`), healthy: false }))
let turn = 0

function check(target: (typeof targets)[number]): void {
  const [host, targetPort] = target.address.split(':')
  const socket = connect({ host, port: Number(targetPort), timeout: 200 })
  const report = (healthy: boolean): void => {
    target.healthy = healthy
    socket.destroy()
  }
  socket
    .once('connect', () => report(true))
    .once('error', () => report(false))
    .once('timeout', () => report(false))
}

async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // The body is read first, so that another target can get it too.
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { connection: _connection, 'transfer-encoding': _encoding, ...headers } = request.headers
  const healthy = targets.filter((target) => target.healthy)
  for (let attempt = 0; attempt < healthy.length; attempt++) {
    const target = healthy[turn++ % healthy.length]
    try {
      const answer = await target?.pool.request({
        path: request.url ?? '/',
        method: request.method ?? 'GET',
        headers,
        body: chunks.length === 0 ? null : Buffer.concat(chunks),
      })
      if (answer === undefined) break
      const { connection: _c, 'keep-alive': _k, 'transfer-encoding': _t, ...rest } = answer.headers
      response.writeHead(answer.statusCode, { ...rest, 'x-via': 'balancer' })
      await pipeline(answer.body, response)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') break
      if (target !== undefined) target.healthy = false
    }
  }
  if (!response.headersSent) response.writeHead(503)
  response.end()
}

setInterval(() => targets.forEach(check), 250)
targets.forEach(check)
createServer((request, response) => void forward(request, response)).listen(Number(port), '127.0.0.1')
