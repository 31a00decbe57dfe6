import type { IncomingMessage, RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Seen } from './library.ts'

/** A task that answers each library in its own protocol: JSON, GraphQL, tRPC in batches, S3. Its name is `x-task`, unless given. */
export function answering(name?: string): RequestListener {
  return (request, response) => {
    const task = name ?? String(response.getHeader('x-task'))
    void (async () => {
      const { type, body } = answerTo(request, task, await text(request))
      response.setHeader('content-type', type)
      response.end(body)
    })().catch(() => response.destroy())
  }
}

interface Written {
  readonly type: string
  readonly body: string
}

function answerTo(request: IncomingMessage, task: string, body: string): Written {
  const { method = '', url: path = '', headers } = request
  const json = (value: object): Written => ({ type: 'application/json', body: JSON.stringify(value) })
  const { pathname } = new URL(path, 'http://orders.shop.local')
  const isUpload = pathname === '/orders/42' && method === 'POST'
  if (pathname === '/graphql') return json({ data: { order: { task } } })
  // Calls of the same moment share a request: `/trpc/get,get`.
  if (pathname.startsWith('/trpc/'))
    return json(pathname.split(',').map(() => ({ result: { data: { task } } })))
  if (isUpload) {
    const name = 'InitiateMultipartUploadResult'
    return { type: 'application/xml', body: `<${name}><UploadId>${task}</UploadId></${name}>` }
  }
  const { host = '', 'content-type': type = '' } = headers
  return json({ task, method, path, host, type, body } satisfies Seen)
}
