/**
 * A load balancer in little: round robin over the targets that take connections, another target where one does
 * not. Started by the demo where HAProxy is not installed: `node embedded-proxy.ts <port> <address:port> ...`
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
  const heard = (healthy: boolean): void => {
    target.healthy = healthy
    socket.destroy()
  }
  socket
    .once('connect', () => heard(true))
    .once('error', () => heard(false))
    .once('timeout', () => heard(false))
}

async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // Read first, so that another target can be asked with the same body.
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
