/**
 * Sockets for what speaks no HTTP: databases, caches, WebSockets.
 *
 * `connect` (`connect.ts`) returns a socket to a task of its own choice (`task-socket.ts`, `search.ts`), for libraries that take a
 * socket.
 * `lookupOf` (`lookup.ts`) is a `dns.lookup` for libraries that take only that. Hosts that are not discovered go Node's own
 * way.
 * @module onehop/net
 */
export { connect } from './connect.ts'
export { lookupOf } from './lookup.ts'
export type { ConnectOptions, NetClient } from './options.ts'
