import type { ClientRequest } from 'node:http'

/** Headers that Node has stored as text. Read in Node 22, 24 and 26. */
interface StoredHeaders {
  _header: string | null
}

const PROXY_HEADERS = ['proxy-connection', 'proxy-authorization']
const STORED_PROXY_HEADER = /\r\nproxy-(?:connection|authorization): [^\r\n]*/gi

/**
 * Takes back what Node has written for a proxy of the environment (`NODE_USE_ENV_PROXY`) before an agent gets the request: a
 * whole URL as its path, and headers, maybe with the proxy's credentials. Without a proxy it changes nothing.
 */
export function makeDirect(request: ClientRequest): void {
  if (!request.path.startsWith('http:') || !request.hasHeader('proxy-connection')) return
  const url = URL.parse(request.path)
  if (url === null) return
  const before = request.path
  request.path = url.pathname + url.search
  const stored = request as unknown as StoredHeaders
  if (typeof stored._header === 'string') {
    // The caller gave a list of headers, or `Expect`: nothing has been sent yet.
    stored._header = stored._header
      .replace(` ${before} `, () => ` ${request.path} `)
      .replaceAll(STORED_PROXY_HEADER, '')
    return
  }
  for (const name of PROXY_HEADERS) request.removeHeader(name)
}
