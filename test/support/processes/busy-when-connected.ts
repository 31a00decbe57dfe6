/** Preloaded: a process that computes for `BUSY_MS` when a connection of an `http.Agent` is there, as the AWS SDK has one. */
import http from 'node:http'
import type { Socket } from 'node:net'

const busyMs = Number(process.env['BUSY_MS'])
const agent = http.Agent.prototype as unknown as { createConnection(...given: unknown[]): Socket }
const { createConnection } = agent
agent.createConnection = function withBusyStart(...given) {
  const socket = createConnection.apply(this, given)
  return socket.once('connect', () => {
    const until = performance.now() + busyMs
    while (performance.now() < until);
  })
}
