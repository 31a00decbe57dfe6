import type { ClientRequest } from 'node:http'

/** Headers that Node has stored as text, and what of them waits for a connection. Read in Node 22, 24 and 26. */
interface StoredHeaders {
  _header: string | null
  readonly outputData: readonly { data: unknown }[]
}

const HOST = /\r\nhost: [^\r\n]*/i

/**
 * Sets the `Host` of a request that has no connection yet. Node may have stored its headers as text by then: with the
 * first chunk of the body, or if the caller gave a list.
 */
export function setHost(request: ClientRequest, host: string): void {
  if (!request.headersSent) {
    if (request.hasHeader('host')) request.setHeader('Host', host)
    return
  }
  const stored = request as unknown as StoredHeaders
  const before = stored._header
  if (typeof before !== 'string') return
  const after = before.replace(HOST, `\r\nHost: ${host}`)
  stored._header = after
  const first = stored.outputData[0]
  if (typeof first?.data === 'string' && first.data.startsWith(before))
    first.data = after + first.data.slice(before.length)
}
