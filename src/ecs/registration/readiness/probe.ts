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

export function functionCheck(ready: ReadyFunction): Check {
  return async (signal) => {
    if ((await ready(signal)) === false) throw new Error('ready() returned false')
  }
}

/** GET by HTTP/1.1, by TLS where the server speaks it. Good with 2xx. */
export function pathCheck(path: string, listener: ListeningServer | number, at: ListeningAt): Check {
  const isTls = listener instanceof TlsServer
  const host = at.boundTo === undefined || ANY.has(at.boundTo) ? '127.0.0.1' : at.boundTo
  return (signal) =>
    new Promise((resolve, reject) => {
      const options = { host, port: at.port, path, agent: false, signal }
      const headers = { 'user-agent': 'onehop-readiness', connection: 'close' }
      const request = isTls
        ? // Its certificate is for its callers' name for it, and this is a call to ourselves.
          httpsRequest({ ...options, headers, rejectUnauthorized: false })
        : httpRequest({ ...options, headers })
      request.on('error', reject)
      request.on('response', (response) => {
        const { statusCode = 0 } = response
        response.on('error', reject)
        response.on('end', () =>
          statusCode >= 200 && statusCode < 300
            ? resolve()
            : reject(new Error(`GET ${path} on ${host}:${at.port} answered ${statusCode}`)),
        )
        response.resume()
      })
      request.end()
    })
}
