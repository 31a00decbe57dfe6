/** Libraries on `node:http`, each as its users call it: with an agent, and with retries of its own off. */
import type { Agent } from 'node:http'
import { text } from 'node:stream/consumers'
import { answered } from '../support/http-requests.ts'
import { load } from './packages/load.ts'

/** @returns the status; rejects with what the library rejects with */
export type CallBy = (url: string, method: string, agent: Agent) => Promise<number>

export const LIBRARIES: Readonly<Record<string, () => Promise<CallBy>>> = {
  async 'node:http'() {
    const { request } = process.getBuiltinModule('node:http')
    return async (url, method, agent) => (await answered(request(url, { method, agent }))).status
  },
  async axios() {
    const { default: axios } = await load<{
      default: { request(options: object): Promise<{ status: number }> }
    }>('axios')
    return async (url, method, agent) => {
      const options = { url, method, httpAgent: agent, adapter: 'http', timeout: 5_000, validateStatus: null }
      return (await axios.request(options)).status
    }
  },
  async got() {
    type Got = (url: string, options: object) => Promise<{ statusCode: number }>
    const { default: got } = await load<{ default: Got }>('got')
    return async (url, method, agent) => {
      const options = { method, agent: { http: agent }, retry: { limit: 0 }, throwHttpErrors: false }
      return (await got(url, options)).statusCode
    }
  },
  async 'node-fetch'() {
    type Fetch = (url: string, options: object) => Promise<Response>
    const { default: fetch } = await load<{ default: Fetch }>('node-fetch')
    return async (url, method, agent) => {
      const response = await fetch(url, { method, agent })
      await response.text()
      return response.status
    }
  },
  async 'AWS SDK (NodeHttpHandler)'() {
    interface Handler {
      handle(request: unknown): Promise<{ response: { statusCode: number; body: NodeJS.ReadableStream } }>
    }
    const { NodeHttpHandler } = await load<{ NodeHttpHandler: new (options: object) => Handler }>(
      '@smithy/node-http-handler',
    )
    const { HttpRequest } = await load<{ HttpRequest: new (options: object) => object }>(
      '@smithy/protocol-http',
    )
    const handlers = new WeakMap<Agent, Handler>()
    return async (url, method, agent) => {
      const handler = handlers.get(agent) ?? new NodeHttpHandler({ httpAgent: agent })
      handlers.set(agent, handler)
      const { protocol, hostname, port, pathname } = new URL(url)
      const headers = { host: hostname }
      const { response } = await handler.handle(
        new HttpRequest({
          protocol,
          hostname,
          port: port === '' ? undefined : Number(port),
          path: pathname,
          method,
          headers,
        }),
      )
      await text(response.body)
      return response.statusCode
    }
  },
}
