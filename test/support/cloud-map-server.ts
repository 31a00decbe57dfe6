/** A stand-in for the Cloud Map API: one HTTP server on loopback that answers as a test says. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

interface ApiCall {
  readonly target: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly input: Record<string, unknown>
}

export interface ApiServer {
  readonly endpoint: string
  readonly calls: ApiCall[]
  /** Connections so far. */
  readonly connections: number
}

export type Respond = (response: ServerResponse, call: ApiCall) => void

export async function apiServer(respond: Respond): Promise<ApiServer> {
  const calls: ApiCall[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => (body += piece))
    request.on('end', () => {
      const input = JSON.parse(body) as Record<string, unknown>
      const target = request.headers['x-amz-target'] as string | undefined
      const call = { target, headers: request.headers, input }
      calls.push(call)
      respond(response, call)
    })
  })
  let connections = 0
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => closeServer(server))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    endpoint,
    calls,
    get connections() {
      return connections
    },
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

export interface Instance {
  readonly InstanceId: string
  readonly Attributes?: Readonly<Record<string, string>>
}

export function instances(list: readonly Instance[], revision = 7): Respond {
  return answer(200, { Instances: list, InstancesRevision: revision })
}

export function apiError(status: number, code: string, message = 'as the test says'): Respond {
  return answer(status, { __type: `com.amazonaws.servicediscovery#${code}`, message })
}

function answer(status: number, body: unknown): Respond {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(JSON.stringify(body))
  }
}
