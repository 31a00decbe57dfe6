import type { ClientRequest } from 'node:http'
import { isForProxy } from '../http/agent-door.ts'
import type { NodeRequest } from '../http/node-agent.ts'

const PROXY_HEADERS = ['proxy-connection', 'proxy-authorization']
const STORED_PROXY_HEADER = /\r\nproxy-(?:connection|authorization): [^\r\n]*/gi

/**
 * Takes back what Node has written for a proxy of the environment (`NODE_USE_ENV_PROXY`) before an agent gets the request: a
 * whole URL as its path, and headers, maybe with the proxy's credentials. Without a proxy it changes nothing.
 */
export function makeDirect(request: ClientRequest): void {
  if (!isForProxy(request)) return
  const url = URL.parse(request.path)
  if (url === null) return
  const before = request.path
  request.path = url.pathname + url.search
  const stored = request as NodeRequest
  if (typeof stored._header === 'string') {
    // The caller gave a list of headers, or `Expect`: nothing has been sent yet.
    stored._header = stored._header
      .replace(` ${before} `, () => ` ${request.path} `)
      .replaceAll(STORED_PROXY_HEADER, '')
    return
  }
  for (const name of PROXY_HEADERS) request.removeHeader(name)
}
