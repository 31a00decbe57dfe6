/** `classify`: responses whose status does not say how they count, over each kind of connection. */
import { runInNewContext } from 'node:vm'
import { Readable } from 'node:stream'
import type { IncomingHttpHeaders } from 'node:http'
import { constants, type Http2Stream } from 'node:http2'
import {
  createClient,
  InvalidOptionsError,
  onEvent,
  type Classification,
  type Classify,
  type Client,
  type ClientOptions,
  type EventPayloads,
  type Outcome,
} from 'onehop'
import { manualClock } from 'onehop/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../../support/clients.ts'
import { learnHedging } from '../../../support/hedging.ts'
import { onOnePort } from '../../../support/loopback-server.ts'
import { resources } from '../../../support/resources.ts'
import {
  originIn,
  poolIn,
  WORLDS,
  WorldServer,
  type World,
  type WorldAnswer,
} from '../../../support/transports/worlds.ts'

const { keep } = resources()

/** As gRPC has it: 200 whatever happened, and a number in the headers or the trailers. */
const byCode = (meanings: Readonly<Record<string, Classification>>): Classify => {
  return (_status, headers, trailers) => {
    const code = (trailers ?? headers)['x-code']
    if (code === undefined && trailers === undefined) return 'trailers'
    return code === undefined ? undefined : meanings[String(code)]
  }
}
const classify = byCode({
  bad: { kind: 'failure', reason: 'code bad' },
  gone: { kind: 'unavailable', retry: 'idempotent', reason: 'code gone' },
  full: { kind: 'overloaded', retry: 'any', retryAfterMs: 2_000 },
})

const inHeaders =
  (code: string): WorldAnswer =>
  (_request, response) =>
    void response.writeHead(200, { 'x-code': code }).end()
const inTrailers =
  (code: string, body = ''): WorldAnswer =>
  (_request, response) => {
    response.writeHead(200, { trailer: 'x-code' })
    response.addTrailers({ 'x-code': code })
    response.end(body)
  }

async function tasksIn(world: World, answers: readonly WorldAnswer[]): Promise<WorldServer[]> {
  return (await onOnePort(answers.map((answer) => () => WorldServer.of(world, answer)))).map(keep)
}

function events<
  Name extends 'onehop:upstream.ejected' | 'onehop:upstream.readmitted' | 'onehop:classify.failed',
>(name: Name): EventPayloads[Name][] {
  const seen: EventPayloads[Name][] = []
  onTestFinished(onEvent(name, (event) => seen.push(event)))
  return seen
}

/** A response whose body is read on while it is under way. */
async function read(client: Client, url: string): Promise<Readable> {
  const { body } = await client.request(url)
  await new Promise((resolve) => setTimeout(resolve, 10))
  return body.on('error', () => undefined).on('data', () => undefined)
}

const good = inTrailers('ok', 'good')
const ATTEMPT_MS = 400
/** Passes after each call of the tests of probes. */
const STEP_MS = 20
const post = { method: 'POST', body: 'body' } as const

describe.each(WORLDS)('over %s', (world) => {
  const url = `${originIn(world)}/v1`
  const clientIn = (
    tasks: readonly WorldServer[],
    options: ClientOptions = {},
  ): ReturnType<typeof clientOf> =>
    keep(clientOf(tasks, { classify, ...options, pool: poolIn(world, options.pool) }))

  test('a failure in the headers is sent to another task where that is allowed', async () => {
    const tasks = await tasksIn(world, [inHeaders('gone'), good])
    const client = clientIn(tasks)
    expect(await (await client.request(url)).body.text()).toBe('good')
    expect(tasks.map(({ seen }) => seen)).toEqual([['GET /v1'], ['GET /v1']])
  })

  test('a call that must not be sent again gets the failure as it is', async () => {
    const tasks = await tasksIn(world, [inHeaders('gone'), good])
    const { headers, body } = await clientIn(tasks).request(url, post)
    await body.dump()
    expect(headers['x-code']).toBe('gone')
    expect(tasks[1]?.seen).toEqual([])
  })

  test('what was not processed is sent again with any method, and the same body', async () => {
    const bodies: string[] = []
    const tasks = await tasksIn(world, [
      inHeaders('full'),
      (request, response) => {
        let text = ''
        request
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .on('end', () => {
            bodies.push(text)
            inTrailers('ok')(request, response)
          })
      },
    ])
    const client = clientIn(tasks, { pool: { connections: 1 } })
    const stream = Readable.from(['a ', 'stream'].map((part) => Buffer.from(part)))
    await (await client.request(url, { method: 'POST', body: stream })).body.dump()
    expect(bodies).toEqual(['a stream'])
  })

  test('trailers come too late for a retry, and count for health', async () => {
    const ejected = events('onehop:upstream.ejected')
    const tasks = await tasksIn(world, [inTrailers('bad'), good, good, good])
    // On a clock that stands still, the first probe is never due.
    const client = clientIn(tasks, { clock: manualClock() })
    const seen: string[] = []
    for (let call = 0; call < 60; call++) {
      const { body, trailers } = await client.request(url)
      await body.text()
      seen.push(String(trailers['x-code']))
    }
    expect(ejected).toMatchObject([
      { upstream: tasks[0]?.label, cause: 'fails', reason: expect.stringContaining('code bad') as string },
    ])
    // Each call had one attempt.
    expect(seen.filter((code) => code === 'bad')).toHaveLength(tasks[0]?.seen.length ?? 0)
    expect(tasks[0]?.seen.length).toBeLessThan(10)
  })

  test('without it, such a task gets its share', async () => {
    const ejected = events('onehop:upstream.ejected')
    const tasks = await tasksIn(world, [inTrailers('bad'), good, good, good])
    const client = clientIn(tasks, { classify: false })
    for (let call = 0; call < 60; call++) await (await client.request(url)).body.dump()
    expect(ejected).toEqual([])
    expect(tasks[0]?.seen).toHaveLength(15)
  })

  describe('a probe', () => {
    /** A task that fails, among good ones, until it is ejected; its answer may be replaced then. */
    async function ejected(ejections = 1): Promise<{
      readonly client: Client
      readonly first: WorldServer | undefined
      /** Makes calls, with some time after each, until the task is readmitted. */
      callUntilReadmitted(call?: () => Promise<void>): Promise<void>
      answer: WorldAnswer
    }> {
      const seen = events('onehop:upstream.ejected')
      const readmitted = events('onehop:upstream.readmitted')
      const answers = { answer: inTrailers('bad') }
      const tasks = await tasksIn(world, [(...given) => answers.answer(...given), good, good, good])
      const clock = manualClock()
      const client = clientIn(tasks, {
        clock,
        outlier: { baseMs: 100 },
        slowStartMs: 0,
        timeouts: { attemptMs: ATTEMPT_MS },
      })
      const dump = async (): Promise<void> => (await client.request(url)).body.dump()
      const callUntil = async (isSo: () => boolean, call = dump): Promise<void> => {
        while (!isSo()) {
          await call()
          await clock.advance(STEP_MS)
        }
      }
      await callUntil(() => seen.length >= ejections)
      expect(readmitted).toEqual([])
      return Object.assign(answers, {
        client,
        first: tasks[0],
        callUntilReadmitted: async (call = dump) => {
          await callUntil(() => readmitted.length > 0, call)
          expect(readmitted).toMatchObject([{ upstream: tasks[0]?.label }])
        },
      })
    }

    test('succeeds by its trailers alone', async () => {
      const arranged = await ejected(4)
      arranged.answer = good
      await arranged.callUntilReadmitted()
    })

    test('that is a stream succeeds as soon as its body begins', async () => {
      const arranged = await ejected()
      arranged.answer = (_request, response) => void response.writeHead(200).write('begins')
      const streams: Readable[] = []
      await arranged.callUntilReadmitted(async () => void streams.push(await read(arranged.client, url)))
      for (const stream of streams) stream.destroy()
    })

    test('that says nothing after its headers succeeds after attemptMs', async () => {
      const arranged = await ejected()
      let silentCalls = 0
      arranged.answer = (_request, response) => {
        silentCalls++
        response.writeHead(200).flushHeaders()
      }
      const streams: Readable[] = []
      let callsSince = 0
      await arranged.callUntilReadmitted(async () => {
        if (silentCalls > 0) callsSince++
        streams.push(await read(arranged.client, url))
      })
      expect(callsSince * STEP_MS).toBeGreaterThanOrEqual(ATTEMPT_MS - STEP_MS)
      expect(silentCalls).toBe(1)
      for (const stream of streams) stream.destroy()
    })

    test('whose caller leaves frees its place for the next call', async () => {
      const arranged = await ejected()
      const { client } = arranged
      let left = 0
      arranged.answer = (_request, response) => {
        if (left++ === 0) response.writeHead(200).flushHeaders()
        else good(_request, response)
      }
      await arranged.callUntilReadmitted(async () => {
        const { body } = await client.request(url)
        body.on('error', () => undefined)
        if (left === 1) body.destroy()
        else await body.dump()
      })
      expect(left).toBeGreaterThan(1)
      expect(client.inspect().callsUnderWay).toBe(0)
    })
  })

  test('a response that breaks off counts as that', async () => {
    const ejected = events('onehop:upstream.ejected')
    const breaksOff: WorldAnswer = (request, response) => {
      response.writeHead(200).write('begins')
      const { stream } = request as { stream?: Http2Stream }
      setTimeout(
        () =>
          stream === undefined ? request.socket.destroy() : stream.close(constants.NGHTTP2_INTERNAL_ERROR),
        5,
      )
    }
    const tasks = await tasksIn(world, [breaksOff, good, good, good])
    const client = clientIn(tasks, { clock: manualClock(), retry: { baseMs: 0 } })
    for (let call = 0; call < 60; call++)
      await client
        .request(url)
        .then(({ body }) => body.text())
        .catch(() => undefined)
    expect(ejected).toMatchObject([{ upstream: tasks[0]?.label, cause: 'fails' }])
  })
})

describe('over http', () => {
  const url = originIn('http')

  test('the function gets status and headers, then the trailers', async () => {
    const calls: [number, unknown, unknown][] = []
    const spy: Classify = (status, headers: IncomingHttpHeaders, trailers) => {
      calls.push([status, headers['x-code'], trailers?.['x-code']])
      return trailers === undefined ? 'trailers' : undefined
    }
    const tasks = await tasksIn('http', [inTrailers('ok'), inTrailers('ok')])
    const client = keep(clientOf(tasks, { classify: spy }))
    await (await client.request(url)).body.dump()
    expect(calls).toEqual([
      [200, undefined, undefined],
      [200, undefined, 'ok'],
    ])
  })

  test('a service may have one of its own, or none', async () => {
    const tasks = await tasksIn('http', [inHeaders('gone'), inHeaders('gone')])
    const services = { 'orders.shop.local': { classify: false as const } }
    const client = keep(clientOf(tasks, { classify, services }))
    await (await client.request(url)).body.dump()
    expect(tasks.map(({ seen }) => seen.length)).toEqual([1, 0])
    const own = keep(clientOf(tasks, { services: { 'orders.shop.local': { classify } } }))
    await (await own.request(url)).body.dump()
    expect(tasks.map(({ seen }) => seen.length)).toEqual([2, 2])
  })

  test('a status that would be a failure may be a success', async () => {
    const ejected = events('onehop:upstream.ejected')
    const tasks = await tasksIn('http', [
      (_request, response) => void response.writeHead(503).end('mine'),
      good,
    ])
    const client = keep(
      clientOf(tasks, { classify: (status) => (status === 503 ? { kind: 'success' } : undefined) }),
    )
    for (let call = 0; call < 40; call++) await (await client.request(url)).body.dump()
    expect(tasks.map(({ seen }) => seen.length)).toEqual([20, 20])
    expect(ejected).toEqual([])
  })

  test('a success may be sent again, whatever its status, and blames no task', async () => {
    const tasks = await tasksIn('http', [inHeaders('stale'), good])
    const stale = byCode({ stale: { kind: 'success', retry: 'idempotent' } })
    const client = keep(clientOf(tasks, { classify: stale }))
    expect(await (await client.request(url)).body.text()).toBe('good')
    const upstreams = Object.values(client.inspect().services['orders.shop.local']?.origins ?? {})
    expect(upstreams.flatMap((origin) => origin.upstreams.map(({ failures }) => failures))).toEqual([0, 0])
  })

  test('retry.on sees what was made of the response', async () => {
    const outcomes: Outcome[] = []
    const tasks = await tasksIn('http', [inHeaders('bad'), good])
    const on = (outcome: Outcome): boolean => outcomes.push(outcome) > 0
    const client = keep(clientOf(tasks, { classify, retry: { on } }))
    expect(await (await client.request(url, post)).body.text()).toBe('good')
    expect(outcomes).toMatchObject([{ kind: 'response', status: 200, classified: { kind: 'failure' } }])
  })

  test('the message of a call whose attempts failed names it', async () => {
    const tasks = await tasksIn('http', [inHeaders('gone'), (request) => void request.socket.destroy()])
    const client = keep(clientOf(tasks, { classify, retry: { attempts: 2 } }))
    await expect(client.request(url)).rejects.toThrow(
      /127\.0\.1\.1:\d+: code gone in \d+ ms; 127\.0\.1\.2:\d+: broke off/,
    )
  })

  test('a hedged call whose first answer is a failure waits for the other', async () => {
    let answers: WorldAnswer[] = [good, good]
    const tasks = await tasksIn(
      'http',
      [0, 1].map(
        (index): WorldAnswer =>
          (...given) =>
            answers[index]?.(...given),
      ),
    )
    const clock = manualClock()
    const client = keep(clientOf(tasks, { clock, classify, hedge: true }))
    const delayMs = await learnHedging(client, clock)
    const gives: (() => void)[] = []
    const later =
      (answer: WorldAnswer): WorldAnswer =>
      (...given) =>
        void gives.push(() => answer(...given))
    answers = [later(inHeaders('gone')), later(good)]
    const call = client.request(url).then(({ body }) => body.text())
    await expect.poll(() => gives.length).toBe(1)
    await clock.advance(delayMs)
    await expect.poll(() => gives.length).toBe(2)
    gives[0]?.()
    const upstreams = (): readonly { pending: number }[] =>
      client.inspect().services['orders.shop.local']?.origins[url]?.upstreams ?? []
    await expect.poll(() => upstreams().map(({ pending }) => pending)).toEqual([0, 1])
    gives[1]?.()
    expect(await call).toBe('good')
    expect(gives).toHaveLength(2)
  })

  test.each<[string, Classify]>([
    [
      'throws',
      () => {
        throw new Error('thrown')
      },
    ],
    [
      'throws no error',
      () => {
        throw 'a string'
      },
    ],
    ['returns a promise', (() => Promise.reject(new Error('thrown'))) as never],
    ['returns a promise of another realm', runInNewContext('() => Promise.reject(new Error())') as never],
    ['returns a string', () => 'bad' as never],
    ['returns null', () => null as never],
    ['returns an unknown kind', () => ({ kind: 'sick' }) as never],
    ['returns a wrong retry', () => ({ kind: 'failure', retry: true }) as never],
    ['returns a wrong time', () => ({ kind: 'overloaded', retryAfterMs: Number.NaN })],
    [
      'throws for trailers',
      (_status, _headers, trailers) => {
        if (trailers === undefined) return 'trailers'
        throw new Error('thrown')
      },
    ],
  ])('one that %s is an event, and the response counts by its status', async (_what, wrong) => {
    const failed = events('onehop:classify.failed')
    const unhandled: unknown[] = []
    const onUnhandled = (error: unknown): unknown => unhandled.push(error)
    process.on('unhandledRejection', onUnhandled)
    onTestFinished(() => void process.off('unhandledRejection', onUnhandled))
    const tasks = await tasksIn('http', [good, (_request, response) => void response.writeHead(503).end()])
    const client = keep(clientOf(tasks, { classify: wrong }))
    expect(await (await client.request(url)).body.text()).toBe('good')
    expect(failed).toMatchObject([
      { host: 'orders.shop.local', status: 200, error: expect.any(Error) as Error },
    ])
    expect(await (await client.request(url)).body.text()).toBe('good')
    expect(tasks[1]?.seen).toHaveLength(1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  })

  test('what it must not be is refused at once', () => {
    for (const wrong of [true, 'grpc', {}, async () => undefined])
      expect(() => createClient({ classify: wrong as never })).toThrow(InvalidOptionsError)
    expect(() => createClient({ services: { 'a.b': { classify: 1 as never } } })).toThrow(
      'services["a.b"].classify',
    )
  })
})
