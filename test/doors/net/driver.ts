/** What the tests know of a driver, and how it gets its connections: with this door, or without. */
import net, { type LookupFunction, type Socket } from 'node:net'
import type { Client } from 'onehop'
import { connect, lookupOf } from 'onehop/net'
import type { StartServers } from './servers.ts'

/** How a driver gets its connections. */
export interface Way {
  readonly host: string
  readonly port: number
  /** A socket to one of the servers. */
  readonly socket: () => Socket
  readonly lookup: LookupFunction
  /** How long a driver that has a limit for it waits for a connection. */
  readonly waitMs: number
}

export function throughOnehop(client: Client, host: string, port: number): Way {
  // The port of `socket` is the one that discovery knows.
  const socket = (): Socket => connect(client, { host })
  // Many times what it takes on an idle machine: none may be lost.
  return { host, port, socket, lookup: lookupOf(client), waitMs: 60_000 }
}

export function withoutOnehop(lookup: LookupFunction, host: string, port: number): Way {
  const socket = (): Socket => {
    const connecting = net.connect({ host, port, lookup })
    // pg connects the socket that it gets, by the resolver of this machine.
    return Object.assign(connecting, { connect: () => connecting })
  }
  return { host, port, socket, lookup, waitMs: 5_000 }
}

/** Connections that a driver keeps. */
export interface Pool {
  /** The address of the server that answers. */
  ask(): Promise<string>
  close(): Promise<void>
}

export interface Driver {
  readonly servers: StartServers
  /** Whether it takes a socket; otherwise it takes a `lookup`, which learns nothing. */
  readonly takesSocket: boolean
  /** @param size connections at most */
  open(way: Way, size: number): Promise<Pool>
}

/** Clients of one connection each, asked in turn. */
export function inTurn<One>(
  clients: One[],
  ask: (client: One) => Promise<string>,
  close: (client: One) => Promise<void>,
): Pool {
  let turn = 0
  return {
    ask: () => ask(clients[turn++ % clients.length] as One),
    close: async () => void (await Promise.all(clients.map(close))),
  }
}
