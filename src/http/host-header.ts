import type { NodeRequest } from './node-agent.ts'

const HOST = /\r\nhost: [^\r\n]*/i

/**
 * Sets the `Host` of a request that has no connection yet. Node may have stored its headers as text by then: with the
 * first chunk of the body, or if the caller gave a list.
 */
export function setHost(request: NodeRequest, host: string): void {
  if (!request.headersSent) {
    if (request.hasHeader('host')) request.setHeader('Host', host)
    return
  }
  const before = request._header
  if (typeof before !== 'string') return
  const after = before.replace(HOST, `\r\nHost: ${host}`)
  request._header = after
  const first = request.outputData[0]
  if (typeof first?.data === 'string' && first.data.startsWith(before))
    first.data = after + first.data.slice(before.length)
}
