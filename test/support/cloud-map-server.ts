/** A stand-in for the Cloud Map API: one HTTP server on loopback that answers as a test says. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { LoopbackServer } from './loopback-server.ts'

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
  const http = createServer((request, response) => {
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
  // A connection that a client leaves open stays open.
  http.keepAliveTimeout = 0
  let connections = 0
  http.on('connection', () => connections++)
  const server = await new LoopbackServer(http).listen('127.0.0.1')
  onTestFinished(() => server.kill())
  return {
    endpoint: `http://${server.label}`,
    calls,
    get connections() {
      return connections
    },
  }
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
