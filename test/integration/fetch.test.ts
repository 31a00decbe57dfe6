/** `client.fetch` and `client.request` with what callers have at hand: Node's own classes, and bodies of any length. */
import { openAsBlob } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Client } from 'onehop'
import { FormData as UndiciFormData, Request as UndiciRequest } from 'undici'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { manualClock } from '../../src/testing/fakes/manual-clock.ts'
import { clientOf, ORIGIN } from '../support/clients.ts'
import { learnHedging } from '../support/hedging.ts'
import { resources } from '../support/resources.ts'
import type { Seen, TestServer } from '../support/servers.ts'
import { ca, cert, key } from '../support/transports/tls.ts'

const { keep, servers } = resources()

type Body = NonNullable<RequestInit['body']>

/** Beyond what is kept of a stream, and of what sockets take in one piece. */
const LONG = 300_000
const text = (length: number): string => 'üx'.repeat(length).slice(0, length)

/** The length that the server was told, and the one that came. */
function lengthsOf(seen: Seen | undefined): unknown {
  const { 'content-length': told, 'transfer-encoding': encoding } = seen?.headers ?? {}
  return {
    told: told === undefined ? undefined : Number(told),
    encoding,
    got: Buffer.byteLength(seen?.body ?? ''),
  }
}

function blobOf(length: number): Blob {
  return new Blob(['x'.repeat(length - 10), '0123456789'], { type: 'text/x' })
}

function formOf(Form: typeof FormData, length = 10): FormData {
  const form = new Form()
  form.set('field', 'välue')
  form.set('file', new File([blobOf(length)], 'a "name".txt', { type: 'text/y' }))
  form.append('blob', new Blob(['no name']))
  return form
}

describe("Node's own Request", () => {
  const bodies: Record<string, () => Body> = {
    'a string': () => text(5),
    'a long string': () => text(LONG),
    'an empty string': () => '',
    'a buffer': () => Buffer.from(text(5)),
    'a blob': () => blobOf(100),
    'a long blob': () => blobOf(LONG),
    'a form': () => formOf(FormData),
    'form parameters': () => new URLSearchParams({ a: 'b' }),
  }
  for (const [kind, body] of Object.entries(bodies)) {
    test(`with ${kind} keeps its length, to tasks and to hosts that are not discovered`, async () => {
      const [task] = await servers(1)
      const client = keep(clientOf([task as TestServer]))
      for (const origin of [ORIGIN, `http://${task?.label}`]) {
        const request = new Request(origin, { method: 'POST', body: body(), headers: { 'x-mine': '1' } })
        const expected = Buffer.byteLength(await request.clone().arrayBuffer())
        const response = await client.fetch(request)
        expect(await response.text()).toBe(task?.label)
        expect(response).toBeInstanceOf(Response)
        const seen = task?.seen.at(-1)
        expect(lengthsOf(seen)).toEqual({ told: expected, encoding: undefined, got: expected })
        expect(seen).toMatchObject({ method: 'POST', headers: { 'x-mine': '1' } })
        expect(seen?.headers['content-type']).toBe(request.headers.get('content-type') ?? undefined)
        expect(request.bodyUsed).toBe(true)
      }
    })
  }

  test('with a stream is chunked, as its length is not known, unless it says it', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const streamed = (headers: Record<string, string>): Request =>
      new Request(ORIGIN, {
        method: 'POST',
        body: new Blob(['body']).stream(),
        duplex: 'half',
        headers,
      } as never)
    await (await client.fetch(streamed({}))).text()
    expect(lengthsOf(task?.seen[0])).toEqual({ told: undefined, encoding: 'chunked', got: 4 })
    await (await client.fetch(streamed({ 'content-length': '4' }))).text()
    expect(lengthsOf(task?.seen[1])).toEqual({ told: 4, encoding: undefined, got: 4 })
  })

  test('with a length of its own is sent with that', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const request = new Request(ORIGIN, { method: 'POST', body: 'body', headers: { 'content-length': '4' } })
    await (await client.fetch(request)).text()
    expect(lengthsOf(task?.seen[0])).toEqual({ told: 4, encoding: undefined, got: 4 })
  })

  test('is retried, redirected, aborted and refused like any other call', async () => {
    const [bad, good] = await servers(2)
    if (bad !== undefined) bad.answer = (_request, response) => void response.writeHead(503).end()
    const client = keep(clientOf([bad, good] as TestServer[]))
    const put = (path: string, init: object = {}): Request =>
      new Request(ORIGIN + path, { method: 'PUT', body: 'body', ...init })
    expect(await (await client.fetch(put('/'))).text()).toBe(good?.label)
    expect(good?.seen.map(({ body }) => body)).toEqual(['body'])

    for (const task of [bad, good])
      if (task !== undefined)
        task.answer = ({ url }, response, { body }) =>
          void (url === '/old' ? response.writeHead(307, { location: '/new' }).end() : response.end(body))
    const redirected = await client.fetch(put('/old'))
    expect([redirected.url, redirected.redirected, await redirected.text()]).toEqual([
      `${ORIGIN}/new`,
      true,
      'body',
    ])

    for (const task of [bad, good]) if (task !== undefined) task.answer = () => undefined
    const abort = new AbortController()
    const aborted = client.fetch(put('/', { signal: abort.signal }))
    abort.abort(new RangeError('left'))
    await expect(aborted).rejects.toThrow('left')
    await expect(
      client.fetch(put('/'), { signal: AbortSignal.abort(new RangeError('gone')) }),
    ).rejects.toThrow('gone')
    await expect(client.fetch(put('/'), { deadlineMs: 20 })).rejects.toMatchObject({
      name: 'TypeError',
      cause: { code: 'ONEHOP_DEADLINE_EXCEEDED' },
    })
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('gives way to the options beside it', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const request = (): Request =>
      new Request(ORIGIN, { method: 'POST', body: 'its own', headers: { 'x-a': '1' } })
    await (await client.fetch(request(), { body: text(LONG), headers: { 'x-a': '2' } })).text()
    expect(lengthsOf(task?.seen[0])).toMatchObject({ told: Buffer.byteLength(text(LONG)) })
    expect(task?.seen[0]?.headers['x-a']).toBe('2')
    await (await client.fetch(request(), { body: formOf(FormData) })).text()
    expect(task?.seen[1]?.body).toContain('välue')
    expect(task?.seen[1]?.headers['content-length']).toBeDefined()
  })

  test('uses the same connections as others', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer], { pool: { connections: 1 } }))
    for (let call = 0; call < 3; call++) {
      await (await client.fetch(ORIGIN)).text()
      await (await client.fetch(new Request(ORIGIN))).text()
    }
    expect(task?.sockets.size).toBe(1)
  })

  test('goes over HTTP/2 where that is asked for', async () => {
    const server = createSecureServer({ key, cert }, (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => response.end(`${request.httpVersion} ${body}`))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = clientOf(['127.0.1.1'], { pool: { allowH2: true, connect: { ca } } })
    const request = new Request(`https://orders.shop.local:${port}/`, { method: 'POST', body: 'body' })
    expect(await (await client.fetch(request)).text()).toBe('2.0 body')
    await client.close()
    await new Promise((resolve) => server.close(resolve))
  })

  test('may be one of another library, which is read as a stream', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const { method, headers, body, signal } = new Request(ORIGIN, { method: 'POST', body: 'body' })
    const other = { url: `${ORIGIN}/x`, method, headers, body, signal, [Symbol.toStringTag]: 'Request' }
    await (await client.fetch(other as never)).text()
    expect(task?.seen[0]).toMatchObject({ method: 'POST', url: '/x', body: 'body' })
  })
})

describe('a body that is longer than maxReplayBytes', () => {
  const bodies: Record<string, () => Body> = {
    'a string': () => text(LONG),
    'a Buffer': () => Buffer.from(text(LONG)),
    'a Uint8Array that is part of a larger one': () => new TextEncoder().encode(text(LONG)).subarray(6),
    'an ArrayBuffer': () => new TextEncoder().encode(text(LONG)).buffer,
    'a DataView': () => new DataView(new TextEncoder().encode(text(LONG)).buffer, 3),
    'a blob': () => blobOf(LONG),
    'form parameters': () => new URLSearchParams({ a: text(LONG) }),
    'a form': () => formOf(UndiciFormData as unknown as typeof FormData, LONG),
    "a form of Node's own": () => formOf(FormData, LONG),
  }
  const ways: Record<string, (client: Client, body: Body) => Promise<unknown>> = {
    fetch: async (client, body) => (await client.fetch(ORIGIN, { method: 'PUT', body })).text(),
    request: async (client, body) =>
      (await client.request(ORIGIN, { method: 'PUT', body: body as never })).body.text(),
  }
  const drops: TestServer['answer'] = (request) => void request.socket.resetAndDestroy()
  const unavailable: TestServer['answer'] = (_request, response) => void response.writeHead(503).end()

  describe.each(Object.entries(ways))('by %s', (_way, call) => {
    test.each(Object.entries(bodies))('is sent again, to the byte (%s)', async (_kind, make) => {
      for (const answer of [drops, unavailable]) {
        const [bad, good] = await servers(2)
        if (bad !== undefined) bad.answer = answer
        const client = keep(clientOf([bad, good] as TestServer[]))
        expect(await call(client, make())).toBe(good?.label)
        const [first, second] = [bad?.seen[0], good?.seen[0]]
        expect(second?.body === first?.body).toBe(true)
        expect(second?.headers).toEqual(first?.headers)
        const length = Buffer.byteLength(second?.body ?? '')
        expect(length).toBeGreaterThan(LONG / 2)
        expect(lengthsOf(second)).toEqual({ told: length, encoding: undefined, got: length })
      }
    })
  })

  test('is sent once where it is a stream, and whole', async () => {
    const [bad, good] = await servers(2)
    if (bad !== undefined) bad.answer = unavailable
    const client = keep(clientOf([bad, good] as TestServer[]))
    const init = { method: 'PUT', body: blobOf(LONG).stream(), duplex: 'half' } as RequestInit
    expect((await client.fetch(ORIGIN, init)).status).toBe(503)
    expect([bad?.seen[0]?.body.length, good?.seen]).toEqual([LONG, []])
  })

  test('is sent as it was when the call began', async () => {
    const [bad, good] = await servers(2)
    if (bad !== undefined) bad.answer = drops
    const client = keep(clientOf([bad, good] as TestServer[]))
    const buffer = Buffer.alloc(LONG, 'a')
    const parameters = new URLSearchParams({ a: '1' })
    const form = formOf(UndiciFormData as unknown as typeof FormData)
    const calls = [
      client.fetch(ORIGIN, { method: 'PUT', body: buffer }),
      client.fetch(ORIGIN, { method: 'PUT', body: buffer.buffer }),
      client.fetch(ORIGIN, { method: 'PUT', body: parameters }),
      client.fetch(ORIGIN, { method: 'PUT', body: form }),
    ]
    buffer.fill('b')
    parameters.set('a', '2')
    form.set('field', 'another')
    for (const response of await Promise.all(calls)) expect(await response.text()).toBe(good?.label)
    const got = good?.seen.map(({ body }) => body) ?? []
    expect(got).toHaveLength(4)
    expect(got.filter((body) => /^a+$/.test(body)).length).toBe(2)
    expect(got).toContain('a=1')
    expect(got.filter((body) => body.includes('välue'))).toHaveLength(1)
  })

  test('follows redirects: the same again after a 307, none after a 303', async () => {
    const tasks = await servers(2, ({ method, url }, response, { body }) => {
      if (url === '/307' || url === '/303')
        response.writeHead(Number(url.slice(1)), { location: '/new' }).end()
      else response.end(`${method} ${body.length}`)
    })
    const client = keep(clientOf(tasks))
    const put = (path: string): Promise<Response> =>
      client.fetch(ORIGIN + path, { method: 'PUT', body: 'x'.repeat(LONG) })
    expect(await (await put('/307')).text()).toBe(`PUT ${LONG}`)
    expect(await (await put('/303')).text()).toBe('GET 0')
  })

  test('does not hold back a second attempt beside the first', async () => {
    const [late, other] = await servers(2)
    const clock = manualClock()
    const options = { clock, hedge: { minMs: 20, budget: { ratio: 1 } } }
    const client = keep(clientOf([late, other] as TestServer[], options))
    const delayMs = await learnHedging(client, clock, async () => (await client.fetch(ORIGIN)).text())
    const isLate = Promise.withResolvers<void>()
    if (late !== undefined) late.answer = () => isLate.resolve()
    const response = client.fetch(ORIGIN, { method: 'PUT', body: blobOf(LONG) })
    await isLate.promise
    await clock.advance(delayMs)
    expect(await (await response).text()).toBe(other?.label)
    expect(other?.seen.at(-1)?.body.length).toBe(LONG)
  })
})

describe('a blob of a file that was changed', () => {
  test.each(['fetch', 'request'] as const)('fails the call, and blames no task (%s)', async (by) => {
    const tasks = await servers(2)
    const client = keep(clientOf(tasks))
    const folder = await mkdtemp(join(tmpdir(), 'onehop-'))
    keep({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) })
    const path = join(folder, 'file')
    await writeFile(path, 'x'.repeat(LONG))
    const body = await openAsBlob(path)
    await writeFile(path, 'another')
    const init = { method: 'PUT', body }
    const error = await (
      by === 'fetch' ? client.fetch(ORIGIN, init) : client.request(ORIGIN, init as never)
    ).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(by === 'fetch' ? error?.cause : error).toMatchObject({ name: 'NotReadableError' })
    expect(tasks.flatMap(({ seen }) => seen)).toEqual([])
    const upstreams = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams
    expect(upstreams?.map(({ failures, state }) => [failures, state])).toEqual([
      [0, 'available'],
      [0, 'available'],
    ])
  })
})

describe('client.request', () => {
  test("takes Node's own FormData, to tasks and to hosts that are not discovered", async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    for (const origin of [ORIGIN, `http://${task?.label}`]) {
      const form = formOf(FormData)
      const { statusCode, body } = await client.request(origin, { method: 'POST', body: form })
      await body.dump()
      expect(statusCode).toBe(200)
      const seen = task?.seen.at(-1)
      expect(seen?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
      expect(lengthsOf(seen)).toMatchObject({
        encoding: undefined,
        told: Buffer.byteLength(seen?.body ?? ''),
      })
      expect(seen?.body).toContain('filename="a %22name%22.txt"\r\nContent-Type: text/y')
      expect(seen?.body).toContain('filename="blob"')
    }
  })

  test('leaves other bodies as they are', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    for (const body of ['text', Buffer.from('text'), Readable.from(['text']), new Blob(['text'])])
      await client
        .request(ORIGIN, { method: 'POST', body: body as never })
        .then((answer) => answer.body.dump())
    expect(task?.seen.map(({ body }) => body)).toEqual(['text', 'text', 'text', 'text'])
  })
})

test("undici's own Request is sent with its length, too", async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  await (await client.fetch(new UndiciRequest(ORIGIN, { method: 'POST', body: 'body' }) as never)).text()
  expect(lengthsOf(task?.seen[0])).toEqual({ told: 4, encoding: undefined, got: 4 })
})

test('a view of shared memory is the text that any fetch makes of it', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7)
  for (const body of [shared, new DataView(shared.buffer)])
    await (await client.fetch(ORIGIN, { method: 'POST', body: body as never })).text()
  expect(task?.seen.map(({ body }) => body)).toEqual(['7,7,7', '[object DataView]'])
})

describe('where the process is not as Node made it', () => {
  test('fetch needs no global Request, as in jsdom and with --no-experimental-fetch', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    vi.stubGlobal('Request', undefined)
    onTestFinished(() => void vi.unstubAllGlobals())
    await (await client.fetch(`${ORIGIN}/text`)).text()
    await (await client.fetch(new UndiciRequest(`${ORIGIN}/request`) as never)).text()
    expect(task?.seen.map(({ url }) => url)).toEqual(['/text', '/request'])
  })

  test('request and fetch ignore what a library added to every object', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const prototype = Object.prototype as { deadline?: unknown }
    // oxlint-disable-next-line no-extend-native -- as old libraries do
    prototype.deadline = (): void => undefined
    onTestFinished(() => void delete prototype.deadline)
    await (await client.request(ORIGIN, { method: 'GET' })).body.dump()
    await (await client.fetch(ORIGIN, { method: 'GET' })).text()
    expect(task?.seen).toHaveLength(2)
    // An option of the caller's own is refused as before, also an inherited one.
    const own = Object.create({ deadlin: 5 }) as object
    await expect(client.request(ORIGIN, own)).rejects.toMatchObject({ code: 'ONEHOP_INVALID_OPTIONS' })
  })
})
