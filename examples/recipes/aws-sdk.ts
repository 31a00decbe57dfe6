import { S3Client } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import type { Client } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'

// An S3 of your own, such as MinIO. Failed connections go to other tasks; the SDK repeats requests that were sent.
export function storageByAgents(client: Client, endpoint = 'http://storage.shop.local'): S3Client {
  const requestHandler = new NodeHttpHandler({
    httpAgent: new OnehopHttpAgent(client),
    httpsAgent: new OnehopHttpsAgent(client),
    requestTimeout: 5_000,
    throwOnRequestTimeout: true, // otherwise it only warns
  })
  return new S3Client({ endpoint, forcePathStyle: true, requestHandler, maxAttempts: 2 })
}

// Over undici. The client repeats requests that may be sent again, the SDK the others. The handler's types have another undici.
export function storageByDispatcher(client: Client, endpoint = 'http://storage.shop.local'): S3Client {
  const requestHandler = new UndiciHttpHandler({ dispatcher: client.dispatcher as never })
  return new S3Client({ endpoint, forcePathStyle: true, requestHandler, maxAttempts: 2 })
}
