/** What `ready` means: a path of our own server, or a function. */
import { Server as TlsServer } from 'node:tls'
import type { ListeningAt, ListeningServer } from '../options/listener.ts'
import type { ReadyFunction } from '../options/options.ts'
import type { Check } from './readiness.ts'

// Not imported: an ESM `import` of node:http makes Node 22 and 24 load their own undici.
const { request: httpRequest } = process.getBuiltinModule('node:http')
const { request: httpsRequest } = process.getBuiltinModule('node:https')

/** Addresses that mean all of them: any of ours will do. */
const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::'])
const USER_AGENT = 'onehop-readiness'

/** The answer's status, once it has been read to its end. */
type Ask = (path: string, signal: AbortSignal) => Promise<number>

export function functionCheck(ready: ReadyFunction): Check {
  return async (signal) => {
    const result = await ready(signal)
    if (result === false) throw new Error('ready() returned false')
    // The response of `fetch`, which resolves with 503 as well.
    const { ok, status } = Object(result) as Partial<Response>
    if (ok === false) throw new Error(`ready() returned a response with status ${status}`)
  }
}

/** GET, in the protocol of the server; HTTP/1.1 without TLS where only a port is known. Good with 2xx. */
export function pathCheck(path: string, listener: ListeningServer | number, at: ListeningAt): Check {
  const isTls = listener instanceof TlsServer
  const isHttp2 = typeof listener === 'object' && 'updateSettings' in listener
  const host = at.boundTo === undefined || ANY.has(at.boundTo) ? '127.0.0.1' : at.boundTo
  const ask = isHttp2 ? http2Ask(host, at.port, isTls) : http1Ask(host, at.port, isTls)
  return async (signal) => {
    const status = await ask(path, signal)
    if (status < 200 || status > 299) throw new Error(`GET ${path} on ${host}:${at.port} answered ${status}`)
  }
}

/** Certificates are not verified: theirs is the callers' name for us, and this is a call to ourselves. */
const UNVERIFIED = { rejectUnauthorized: false }

function http1Ask(host: string, port: number, isTls: boolean): Ask {
  return (path, signal) =>
    new Promise((resolve, reject) => {
      const headers = { 'user-agent': USER_AGENT, connection: 'close' }
      const options = { host, port, path, signal, headers, agent: false as const }
      const request = isTls ? httpsRequest({ ...options, ...UNVERIFIED }) : httpRequest(options)
      request.on('error', reject)
      request.on('response', (response) => {
        response.on('error', reject)
        response.on('end', () => resolve(response.statusCode ?? 0))
        response.resume()
      })
      request.end()
    })
}

function http2Ask(host: string, port: number, isTls: boolean): Ask {
  const { connect } = process.getBuiltinModule('node:http2')
  const authority = `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  return (path, signal) =>
    new Promise<number>((resolve, reject) => {
      const session = connect(authority, UNVERIFIED)
      session.on('error', reject)
      session.on('close', () => reject(new Error(`${authority} closed the connection`)))
      const stream = session.request({ ':path': path, 'user-agent': USER_AGENT }, { signal })
      let status = 0
      stream.on('error', reject)
      stream.on('response', (headers) => (status = headers[':status'] ?? 0))
      stream.on('end', () => resolve(status))
      // Also when the stream failed: a session of its own for each check, and nothing is left of it.
      stream.on('close', () => session.destroy())
      stream.resume()
    })
}
