/**
 * The error of a connection, from what grpc-js says: `Error: connect ECONNREFUSED 10.0.11.42:50051 (2026-11-27T20:15:00.000Z)`.
 * With its code, by which the cluster knows failures of this process (EMFILE).
 */
export function connectError(message = 'the connection failed'): Error {
  const text = message.replace(/^Error: /, '').replace(/ \(\d{4}-[^)]*\)$/, '')
  const [, syscall, code] = /\b([a-z]+) (E[A-Z0-9]{2,})\b/.exec(text) ?? []
  return Object.assign(new Error(text), code === undefined ? {} : { code, syscall })
}
