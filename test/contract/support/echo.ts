import type { RequestListener } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Way } from './ways.ts'

/** Answers with what it was asked, once all of it is there. */
export const echo: RequestListener = (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    response.setHeader('x-method', request.method ?? '')
    response.end(Buffer.concat(chunks))
  })
}

export type RequestOptions = Omit<Dispatcher.RequestOptions, 'origin' | 'path' | 'method'> & {
  path?: string
  method?: string
}

/** One `request`, read to its end. */
export async function asked(way: Way, options: RequestOptions = {}): Promise<unknown> {
  const { statusCode, statusText, headers, body, trailers } = await way.dispatcher.request({
    path: '/',
    method: 'GET',
    ...options,
    origin: way.origin,
  } as Dispatcher.RequestOptions)
  const text = await body.text()
  return { statusCode, statusText, headers, text, trailers }
}
