import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BackgroundHttp } from '../../../../src/discovery/cloud-map/http.ts'
import {
  containerCredentials,
  type TemporaryCredentials,
} from '../../../../src/discovery/cloud-map/container-credentials.ts'
import { tcpSocketsTo } from '../../../support/open-sockets.ts'

const GIVEN = {
  AccessKeyId: 'AKIA',
  SecretAccessKey: 'the secret',
  Token: 'the token',
  Expiration: '2030-01-02T03:04:05Z',
}
/** The limit of a try, which no test waits for. */
const LONG_MS = 60_000
/** Hides the profiles of this machine: no file can exist below a device. */
const NO_FILES = { AWS_SHARED_CREDENTIALS_FILE: '/dev/null/none', AWS_CONFIG_FILE: '/dev/null/none' }

async function endpoint(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/role?id=7`
}

function providerFor(env: Record<string, string>): ReturnType<typeof containerCredentials> {
  const http = new BackgroundHttp(LONG_MS)
  onTestFinished(() => http.destroy())
  return containerCredentials(http, { ...NO_FILES, ...env })
}

async function credentials(env: Record<string, string>): Promise<TemporaryCredentials> {
  const provide = providerFor(env)
  if (provide === undefined) throw new Error('no provider')
  return provide()
}

describe("the task role's credentials", () => {
  test('are read from the endpoint of the container, with its token', async () => {
    const asked: unknown[] = []
    const url = await endpoint((request, response) => {
      asked.push(request.url, request.headers.authorization)
      response.end(JSON.stringify(GIVEN))
    })
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: url, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'let me' }
    expect(await credentials(env)).toEqual({
      accessKeyId: 'AKIA',
      secretAccessKey: 'the secret',
      sessionToken: 'the token',
      expiration: new Date('2030-01-02T03:04:05Z'),
    })
    expect(asked).toEqual(['/role?id=7', 'let me'])
  })

  test('are asked for again when the endpoint hangs or fails at first', async () => {
    let requests = 0
    const url = await endpoint((_, response) => {
      requests++
      // It hangs, and the time of this try is over.
      if (requests === 1) return void tcpSocketsTo(Number(new URL(url).port))[0]?.emit('timeout')
      if (requests === 2) response.writeHead(500)
      response.end(JSON.stringify(GIVEN))
    })
    expect((await credentials({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url })).accessKeyId).toBe('AKIA')
    expect(requests).toBe(3)
  })

  test.each([
    ['no JSON, but the secret', 'did not answer with JSON', 200],
    [JSON.stringify({ ...GIVEN, Token: undefined }), 'answered with no credentials', 200],
    [JSON.stringify({ ...GIVEN, Expiration: 'soon' }), 'answered with no credentials', 200],
    ['null', 'answered with no credentials', 200],
    [JSON.stringify(GIVEN), 'answered 403', 403],
  ])('%s: an error that shows no secret', async (body, message, status) => {
    const url = await endpoint((_, response) => void response.writeHead(status).end(body))
    const failed = credentials({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url })
    await expect(failed).rejects.toThrow(message)
    await expect(failed).rejects.not.toThrow('secret')
  })

  const own = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1:1/' }
  test.each<[string, Record<string, string>]>([
    ['there are keys', { ...own, AWS_ACCESS_KEY_ID: 'AKIA' }],
    ['there is a profile', { ...own, AWS_PROFILE: 'shop' }],
    ['there is a web identity', { ...own, AWS_WEB_IDENTITY_TOKEN_FILE: '/token' }],
    ['there are profile files', { ...own, AWS_CONFIG_FILE: import.meta.filename }],
    ['there is no endpoint', {}],
    ['a token would go out in the clear', { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://10.0.0.1/' }],
  ])('are left to the SDK where %s', (_, env) => expect(providerFor(env)).toBeUndefined())

  test('come from the address of ECS for a relative URI', () => {
    expect(providerFor({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/x' })).toBeDefined()
  })
})
