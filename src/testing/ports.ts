/** Ports of loopback addresses, for the servers of a test. */
import { connect, createServer } from 'node:net'
import { unguessableInt } from '../core/clock.ts'

// Below the ports that kernels lend to outgoing connections (Linux: from 32768), so that no connection takes one
// while its server refuses.
const FIRST_PORT = 20_000
const PORTS = 12_000
const MAX_TRIES = 20
const CONNECT_WITHIN_MS = 1_000

/** One that may be taken. */
export function randomPort(): number {
  return FIRST_PORT + unguessableInt(PORTS)
}

/** @param port 0 for any */
export function canListenOn(address: string, port = 0): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, address, () => server.close(() => resolve(true)))
  })
}

/** One that is free at this moment. */
export async function freePort(address: string): Promise<number> {
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const port = randomPort()
    if (await canListenOn(address, port)) return port
  }
  throw new Error(`no free port on ${address}`)
}

/** Starts again where a port was taken. */
export async function untilPortsAreFree<Result>(start: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if (tries === MAX_TRIES || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

/** Whether a server takes connections there. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_WITHIN_MS })
    const end = (accepted: boolean) => () => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })
}
