/** A task of the demo's deployment: answers, and leaves by `gracefulShutdown`. ECS registers it. */
import { createServer } from 'node:http'
import { gracefulShutdown } from 'onehop/ecs'

const { HOST = '127.0.0.1', PORT, DEMO_TTL_MS = '10000', DEMO_PROPAGATION_MS = '10000' } = process.env

const server = createServer((request, response) => {
  request.resume().on('end', () => response.end(JSON.stringify({ task: HOST })))
})
gracefulShutdown({ servers: server, ttlMs: Number(DEMO_TTL_MS), propagationMs: Number(DEMO_PROPAGATION_MS) })
server.listen(Number(PORT), HOST)
