import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'

/** What a request of node:http came to. */
export interface Answered {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** Ends the request and reads its response; rejects with its error. */
export async function answered(request: ClientRequest, body?: string | Buffer): Promise<Answered> {
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, text }
}
