import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { AttemptsExhaustedError, DeadlineExceededError, InvalidOptionsError, NoEndpointsError } from 'onehop'
import { answerWith, UnansweredError, type Answer } from 'onehop/testing'
import type { Dispatcher } from 'undici'
import { expect, test } from 'vitest'
import { failureOf } from '../../../support/failure-of.ts'

const URL_OF_ORDERS = 'http://orders.shop.local/v1/orders?size=2'

test('fetch and request get the answer, with its status, headers and body', async () => {
  await using client = answerWith(() =>
    Response.json({ id: 42 }, { status: 201, headers: { location: '/v1/orders/42' } }),
  )
  const response = await client.fetch(URL_OF_ORDERS, { method: 'POST', body: '{}' })
  expect([response.status, response.statusText, response.headers.get('location')]).toEqual([
    201,
    'Created',
    '/v1/orders/42',
  ])
  expect(await response.json()).toEqual({ id: 42 })
  const { statusCode, headers, body } = await client.request(URL_OF_ORDERS)
  expect([statusCode, headers['content-type'], await body.json()]).toEqual([
    201,
    'application/json',
    { id: 42 },
  ])
})

test('the answer gets method, URL, headers and the whole body, and they are kept', async () => {
  await using client = answerWith(async (request) => Response.json(await request.text()))
  const headers = { 'x-tenant': 'acme' }
  const response = await client.fetch(URL_OF_ORDERS, { method: 'PUT', headers, body: 'one' })
  expect(await response.json()).toBe('one')
  const [request] = client.requests
  expect(request).toBeInstanceOf(Request)
  expect([request?.method, request?.url, request?.headers.get('x-tenant')]).toEqual([
    'PUT',
    URL_OF_ORDERS,
    'acme',
  ])
  expect(await request?.text()).toBe('one')
})

/** Does not answer before `respond`. */
function unanswered(): {
  readonly answer: Answer
  readonly asked: Promise<void>
  readonly respond: (response: Response) => void
} {
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<Response>()
  const answer: Answer = () => {
    asked.resolve()
    return answered.promise
  }
  return { answer, asked: asked.promise, respond: answered.resolve }
}

async function* chunks(): AsyncGenerator<string> {
  yield 'one'
  await nextTurn()
  yield ' two'
}

function form(): FormData {
  const data = new FormData()
  data.append('name', 'Ada')
  data.append('file', new File(['content'], 'a.txt', { type: 'text/plain' }))
  return data
}

const BODIES: Record<string, [() => unknown, string | RegExp, string | RegExp | null]> = {
  text: [() => 'one two', 'one two', 'text/plain;charset=UTF-8'],
  bytes: [() => Buffer.from('one two'), 'one two', null],
  'a typed array': [() => new TextEncoder().encode('one two'), 'one two', null],
  'an ArrayBuffer': [() => new TextEncoder().encode('one two').buffer, 'one two', null],
  'a blob': [() => new Blob(['one two'], { type: 'text/x-note' }), 'one two', 'text/x-note'],
  parameters: [
    () => new URLSearchParams({ a: '1' }),
    'a=1',
    'application/x-www-form-urlencoded;charset=UTF-8',
  ],
  'an async iterable': [chunks, 'one two', null],
  'a web stream': [() => ReadableStream.from(chunks()), 'one two', null],
}

test.each(Object.entries(BODIES))('%s arrives as a body of fetch', async (_name, [make, text, type]) => {
  await using client = answerWith(() => new Response())
  const init = { method: 'POST', body: make(), duplex: 'half' } as RequestInit
  await client.fetch(URL_OF_ORDERS, init)
  expect([await client.requests[0]?.text(), client.requests[0]?.headers.get('content-type')]).toEqual([
    text,
    type,
  ])
})

test.each(['fetch', 'request'] as const)('a form arrives through %s, with its boundary', async (name) => {
  await using client = answerWith(async (request) => {
    const data = await request.formData()
    const file = data.get('file') as File
    return Response.json([data.get('name'), file.name, await file.text()])
  })
  const init = { method: 'POST', body: form() } as const
  const answer =
    name === 'fetch'
      ? await (await client.fetch(URL_OF_ORDERS, init)).json()
      : await (await client.request(URL_OF_ORDERS, init)).body.json()
  expect(answer).toEqual(['Ada', 'a.txt', 'content'])
})

test('a Request of Node arrives with its body', async () => {
  await using client = answerWith(
    async (request) => new Response(`${request.method} ${await request.text()}`),
  )
  const response = await client.fetch(new Request(URL_OF_ORDERS, { method: 'POST', body: 'one' }))
  expect(await response.text()).toBe('POST one')
})

test('a body that fails is the failure of the call, and is not answered', async () => {
  await using client = answerWith(() => new Response())
  const broken = async function* (): AsyncGenerator<string> {
    yield 'one'
    throw new Error('the disk is gone')
  }
  const failure = await failureOf(client.request(URL_OF_ORDERS, { method: 'POST', body: broken() as never }))
  expect(failure.message).toBe('the disk is gone')
  expect(client.requests).toEqual([])
})

test('a request without an answer fails with its method and URL, and is not sent again', async () => {
  let asked = 0
  const answer: Answer = () => {
    asked++
    return undefined
  }
  await using client = answerWith(answer, { retry: { attempts: 3 } })
  const failure = await failureOf(client.request(URL_OF_ORDERS))
  expect(failure).toBeInstanceOf(UnansweredError)
  expect(failure.message).toBe(
    `[ONEHOP_UNANSWERED] GET ${URL_OF_ORDERS}: the function given to answerWith() returned undefined for it; return a Response`,
  )
  const ofFetch = await failureOf(client.fetch(URL_OF_ORDERS))
  expect([ofFetch.message, (ofFetch.cause as Error).name]).toEqual(['fetch failed', 'UnansweredError'])
  expect(asked).toBe(2)
})

test('what the answer throws fails the call as a failure of the network does', async () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  await using client = answerWith(() => Promise.reject(reset))
  const failure = await failureOf(client.request(URL_OF_ORDERS))
  expect(failure).toBeInstanceOf(AttemptsExhaustedError)
  expect(failure.cause).toBe(reset)
  const ofFetch = await failureOf(client.fetch(URL_OF_ORDERS))
  expect(ofFetch).toBeInstanceOf(TypeError)
  expect(ofFetch.cause).toBeInstanceOf(AttemptsExhaustedError)
})

test('an error of this library can be thrown, and Response.error() is a broken connection', async () => {
  const none = new NoEndpointsError('orders.shop.local', 'none is there')
  const answers: Answer[] = [() => Promise.reject(none), () => Response.error()]
  await using client = answerWith((request) => answers.shift()?.(request), { retry: false })
  expect(await failureOf(client.request(URL_OF_ORDERS))).toBe(none)
  expect(await failureOf(client.request(URL_OF_ORDERS))).toMatchObject({ code: 'UND_ERR_SOCKET' })
})

test.each([
  [
    'a plain object',
    { id: 42 },
    'must be a Response, e.g. Response.json({ id: 42 }); got an object without a status',
  ],
  [
    'what mocks of fetch often return',
    { ok: true, status: 200, json: () => Promise.resolve({ id: 42 }) },
    'must be a Response, e.g. Response.json({ id: 42 }); got an object whose headers are not Headers',
  ],
  ['a text', 'ok', 'must be a Response, e.g. Response.json({ id: 42 }); got string'],
])('%s as an answer is named as the mistake', async (_name, given, message) => {
  await using client = answerWith(() => given as never, { retry: false })
  expect((await failureOf(client.request(URL_OF_ORDERS))).message).toBe(
    `the answer to GET ${URL_OF_ORDERS} ${message}`,
  )
})

test.each([5, null, new ArrayBuffer(2)])(
  'a chunk that has no bytes breaks the body off: %s',
  async (chunk) => {
    await using client = answerWith(() => new Response(ReadableStream.from([chunk]) as never))
    const response = await client.fetch(URL_OF_ORDERS)
    expect(await failureOf(response.text())).toMatchObject({
      cause: { message: expect.stringContaining('a chunk of a body must be a Uint8Array or a string; got ') },
    })
  },
)

test('one Response for two requests is named as the mistake', async () => {
  const response = Response.json([])
  await using client = answerWith(() => response, { retry: false })
  await (await client.fetch(URL_OF_ORDERS)).json()
  const failure = await failureOf(client.fetch(URL_OF_ORDERS))
  expect((failure.cause as Error).message).toContain('make a new one for each request')
})

test('retries go by the options: a GET is sent again, a POST is not', async () => {
  const statuses = [503, 200, 503]
  await using client = answerWith(() => new Response(null, { status: statuses.shift() ?? 500 }), {
    retry: { attempts: 2 },
  })
  expect((await client.fetch(URL_OF_ORDERS)).status).toBe(200)
  expect((await client.fetch(URL_OF_ORDERS, { method: 'POST' })).status).toBe(503)
  expect(client.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST'])
})

test.each(['text', 'a stream'])(
  'a POST of %s that may have been processed is not sent again',
  async (kind) => {
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    await using client = answerWith(() => Promise.reject(reset), { retry: { attempts: 3 } })
    const body = kind === 'text' ? 'one two' : Readable.from(chunks())
    await failureOf(client.request(URL_OF_ORDERS, { method: 'POST', body }))
    expect(client.requests).toHaveLength(1)
  },
)

test('a Response of another library may have a stream of Node as its body', async () => {
  const foreign = (status: number): Response =>
    ({ status, statusText: 'Fine', headers: new Headers({ a: '1' }), body: Readable.from(['one']) }) as never
  await using client = answerWith(() => foreign(200))
  const response = await client.fetch(URL_OF_ORDERS)
  expect([response.statusText, await response.text()]).toEqual(['Fine', 'one'])
  expect((await client.fetch(URL_OF_ORDERS, { method: 'HEAD' })).status).toBe(200)
})

test('without options each call is one request', async () => {
  await using client = answerWith(() => new Response(null, { status: 503 }))
  expect((await client.fetch(URL_OF_ORDERS)).status).toBe(503)
  expect(client.requests).toHaveLength(1)
})

test('a deadline ends a call whose answer is late, and the answer is aborted', async () => {
  let signal: AbortSignal | undefined
  await using client = answerWith((request) => {
    ;({ signal } = request)
    return new Promise(() => undefined)
  })
  const failure = await failureOf(client.request(URL_OF_ORDERS, { deadlineMs: 20 }))
  expect(failure).toBeInstanceOf(DeadlineExceededError)
  expect(signal?.aborted).toBe(true)
})

test('an abort ends a call at once, before its answer and within it', async () => {
  let cancelled: unknown
  const endless = (): Response =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode('one')),
        cancel: (reason) => {
          cancelled = reason
        },
      }),
    )
  const never = unanswered()
  const answers: Answer[] = [never.answer, endless]
  await using client = answerWith((request) => answers.shift()?.(request))
  const reason = new Error('enough')
  const first = new AbortController()
  const waiting = failureOf(client.fetch(URL_OF_ORDERS, { signal: first.signal }))
  await never.asked
  first.abort(reason)
  expect(await waiting).toBe(reason)
  const second = new AbortController()
  const response = await client.fetch(URL_OF_ORDERS, { signal: second.signal })
  const reading = failureOf(response.text())
  await nextTurn()
  second.abort(reason)
  expect(await reading).toBe(reason)
  await expect.poll(() => cancelled).toBeDefined()
})

test('an answer streams: each chunk is there before the next is made', async () => {
  const made: string[] = []
  const wanted = Promise.withResolvers<void>()
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    for (const text of ['one', 'two', 'three']) {
      made.push(text)
      yield new TextEncoder().encode(text)
      await wanted.promise
    }
  }
  await using client = answerWith(() => new Response(ReadableStream.from(stream())))
  const response = await client.fetch(URL_OF_ORDERS)
  const reader = response.body?.getReader()
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('one')
  expect(made).toEqual(['one'])
  wanted.resolve()
  await reader?.cancel()
})

test('an answer that breaks off breaks the body off', async () => {
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode('one')
    throw new Error('the task is gone')
  }
  await using client = answerWith(() => new Response(ReadableStream.from(broken())))
  const response = await client.fetch(URL_OF_ORDERS)
  expect(response.status).toBe(200)
  expect((await failureOf(response.text())).message).toBe('terminated')
})

test.each([
  ['HEAD', new Response('text', { headers: { 'content-length': '4' } }), 200],
  ['GET', new Response(null, { status: 204 }), 204],
  ['GET', new Response(null, { status: 304 }), 304],
])('%s with %o has no body', async (method, answer, status) => {
  await using client = answerWith(() => answer)
  const response = await client.fetch(URL_OF_ORDERS, { method })
  expect([response.status, await response.text()]).toEqual([status, ''])
})

test('each set-cookie header stays on its own', async () => {
  const headers = new Headers([
    ['set-cookie', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT'],
    ['set-cookie', 'b=2'],
  ])
  await using client = answerWith(() => new Response('', { headers }))
  expect((await client.fetch(URL_OF_ORDERS)).headers.getSetCookie()).toHaveLength(2)
  expect((await client.request(URL_OF_ORDERS)).headers['set-cookie']).toHaveLength(2)
})

test('redirects are followed by fetch, and each one is a request', async () => {
  await using client = answerWith((request) =>
    request.url.endsWith('/new')
      ? new Response('there')
      : Response.redirect('http://carts.shop.local/new', 302),
  )
  const response = await client.fetch(URL_OF_ORDERS)
  expect([await response.text(), response.redirected]).toEqual(['there', true])
  expect(client.requests.map(({ url }) => url)).toEqual([URL_OF_ORDERS, 'http://carts.shop.local/new'])
  const manual = await client.fetch(URL_OF_ORDERS, { redirect: 'manual' })
  expect(manual.status).toBe(302)
})

test('the answer runs in the async context of its call, also that of a retry', async () => {
  const trace = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  await using client = answerWith(
    () => {
      seen.push(trace.getStore())
      return new Response(null, { status: seen.length === 1 ? 503 : 200 })
    },
    { retry: { attempts: 2 } },
  )
  await trace.run('one', () => client.fetch(URL_OF_ORDERS))
  await trace.run('two', () => client.fetch(URL_OF_ORDERS))
  expect(seen).toEqual(['one', 'one', 'two'])
})

test('interceptors of the options apply', async () => {
  const tenant: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
    dispatch({ ...options, headers: { 'x-tenant': 'acme' } }, handler)
  await using client = answerWith(() => new Response(), { interceptors: [tenant] })
  await client.fetch(URL_OF_ORDERS)
  expect(client.requests[0]?.headers.get('x-tenant')).toBe('acme')
})

test('close waits for calls under way, and refuses later ones', async () => {
  const { answer, asked, respond } = unanswered()
  const client = answerWith(answer)
  const call = client.fetch(URL_OF_ORDERS)
  await asked
  const closed = client.close()
  respond(new Response('one'))
  expect(await (await call).text()).toBe('one')
  await closed
  expect(await failureOf(client.request(URL_OF_ORDERS))).toMatchObject({ code: 'ONEHOP_CLOSED' })
})

test('close within a time cuts an answer that never comes', async () => {
  const { answer, asked } = unanswered()
  const client = answerWith(answer)
  const call = failureOf(client.request(URL_OF_ORDERS))
  await asked
  await client.close({ withinMs: 10 })
  expect(await call).toBeInstanceOf(Error)
})

test.each(['GET with a body', 'TRACE'])('%s cannot be a Request, which the failure says', async (name) => {
  await using client = answerWith(() => new Response(), { retry: false })
  const [method = '', body] = name.split(' with a ')
  const options = body === undefined ? { method } : { method, body }
  const failure = await failureOf(client.request(URL_OF_ORDERS, options))
  expect(failure.message).toMatch(/GET\/HEAD method cannot have body|'TRACE' HTTP method is unsupported/)
})

test('an upgrade is refused with the reason', async () => {
  const { upgrade } = await import('undici')
  await using client = answerWith(() => new Response(), { retry: false })
  const failure = await failureOf(
    upgrade(URL_OF_ORDERS, { dispatcher: client.dispatcher, protocol: 'Websocket' }),
  )
  expect(failure.message).toContain('an upgraded connection cannot be answered with a Response')
})

test('a value that is not a function is refused at once', () => {
  expect(() => answerWith(new Response() as never)).toThrow(InvalidOptionsError)
  expect(() => answerWith(() => undefined, { attempts: 1 } as never)).toThrow('attempts: no such option')
})

// Without Vitest, whose workers stay: these time limits keep no process alive, and a socket does.
test.each([
  [
    'AbortSignal.timeout',
    `answerWith(never).fetch(url, { signal: AbortSignal.timeout(50) })`,
    'TimeoutError',
  ],
  ['attemptMs', `answerWith(never, { timeouts: { attemptMs: 50 } }).fetch(url)`, 'TypeError'],
])(
  'a process waits for an answer that never comes, until %s',
  async (_limit, call, name) => {
    const script = `
    import { answerWith } from 'onehop/testing'
    const never = () => new Promise(() => undefined)
    const url = 'http://orders.shop.local/'
    await ${call}.catch(({ name }) => console.log(name))`
    const run = promisify(execFile)(
      process.execPath,
      ['--conditions=onehop:source', '--input-type=module', '--eval', script],
      { timeout: 55_000 },
    )
    expect((await run).stdout.trim()).toBe(name)
    // A process starts slowly on a busy machine.
  },
  60_000,
)
