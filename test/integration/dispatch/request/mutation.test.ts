/** What callers do with their own objects after a call has begun changes none of its attempts, the later ones included. */
import { manualClock } from 'onehop/testing'
import type { Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { silentHandler } from '../../../support/handlers.ts'
import { learnHedging } from '../../../support/hedging.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

const unavailable: TestServer['answer'] = (_request, response) => void response.writeHead(503).end()
const dropped: TestServer['answer'] = (request) => void request.socket.destroy()

/** Headers in one form, and how their owner changes them. */
const forms: Record<string, () => [unknown, () => void]> = {
  'an object': () => {
    const headers: Record<string, string> = { test: 'first', 'X-Gone': 'here' }
    return [
      headers,
      () => {
        headers['test'] = 'second'
        headers['added'] = 'later'
        delete headers['X-Gone']
      },
    ]
  },
  'an object of arrays': () => {
    const values = ['first']
    return [{ test: values, 'x-gone': 'here' }, () => void values.splice(0, 1, 'second')]
  },
  'names and values in turn': () => {
    const headers: (string | string[])[] = ['test', ['first'], 'x-gone', 'here']
    return [
      headers,
      () => {
        ;(headers[1] as string[])[0] = 'second'
        headers.splice(2, 2, 'added', 'later')
      },
    ]
  },
  'a Map': () => {
    const headers = new Map([
      ['test', 'first'],
      ['x-gone', 'here'],
    ])
    return [headers, () => void headers.set('test', 'second').set('added', 'later').delete('x-gone')]
  },
  Headers: () => {
    const headers = new Headers({ test: 'first', 'x-gone': 'here' })
    return [
      headers,
      () => (headers.set('test', 'second'), headers.append('added', 'later'), headers.delete('x-gone')),
    ]
  },
}

/** What the last of these tasks got of the headers that are changed. */
function got(task: TestServer | undefined): unknown {
  const { headers } = task?.seen.at(-1) ?? {}
  return [headers?.['test'], headers?.['added'], headers?.['x-gone']]
}
const AS_GIVEN = ['first', undefined, 'here']

describe.each(Object.entries(forms))('headers as %s that are changed', (_form, make) => {
  test.each([
    ['an answer that is retried', unavailable],
    ['a connection that breaks off', dropped],
  ])('after the call began are not sent after %s', async (_what, answer) => {
    const [bad, good] = await servers(2)
    if (bad !== undefined) bad.answer = answer
    const client = keep(clientOf([bad, good] as TestServer[]))
    const [headers, change] = make()
    const call = client.request(ORIGIN, { headers: headers as never })
    change()
    expect(await (await call).body.text()).toBe(good?.label)
    expect([got(bad), got(good)]).toEqual([AS_GIVEN, AS_GIVEN])
  })

  test('after the call began are not sent after a refused connection', async () => {
    const [good] = await servers(1)
    const client = keep(clientOf([await refusingAddress(), good?.label ?? '']))
    const [headers, change] = make()
    const call = client.request(ORIGIN, { headers: headers as never })
    change()
    expect(await (await call).body.text()).toBe(good?.label)
    expect(got(good)).toEqual(AS_GIVEN)
  })

  test('while discovery is waited for are not sent', async () => {
    const [task] = await servers(1)
    const known = Promise.withResolvers<string[]>()
    for (const retry of [{}, false as const]) {
      const client = keep(clientOf(known.promise, { retry }))
      const [headers, change] = make()
      const call = client.request(ORIGIN, { headers: headers as never })
      change()
      known.resolve([task?.label ?? ''])
      await (await call).body.dump()
      expect(got(task)).toEqual(AS_GIVEN)
    }
  })

  test('while a second attempt is waited for are not sent by it', async () => {
    const [late, other] = await servers(2)
    const tasks = [late, other] as TestServer[]
    const clock = manualClock()
    const hedge = { minMs: 20, budget: { ratio: 1 } }
    const client = keep(clientOf(tasks, { clock, hedge, retry: false }))
    const delayMs = await learnHedging(client, clock)
    const isLate = Promise.withResolvers<void>()
    if (late !== undefined) late.answer = () => isLate.resolve()
    const [headers, change] = make()
    const call = client.request(ORIGIN, { headers: headers as never })
    change()
    await isLate.promise
    await clock.advance(delayMs)
    expect(await (await call).body.text()).toBe(other?.label)
    expect(got(other)).toEqual(AS_GIVEN)
  })
})

test('one object of options may serve for many calls: each is sent as it was when it began', async () => {
  const [bad, good] = await servers(2)
  if (bad !== undefined) bad.answer = unavailable
  const client = keep(clientOf([bad, good] as TestServer[]))
  const shared: Record<string, unknown> = { origin: ORIGIN, method: 'PUT', headers: {} }
  const ends = ['one', 'two', 'three', 'four'].map((name) => {
    Object.assign(shared, { path: `/${name}`, body: name })
    ;(shared['headers'] as Record<string, string>)['x-name'] = name
    return new Promise<void>((resolve, reject) => {
      client.dispatcher.dispatch(shared as unknown as Dispatcher.DispatchOptions, {
        ...silentHandler,
        onResponseEnd: () => resolve(),
        onResponseError: (_controller, error) => reject(error),
      })
    })
  })
  Object.assign(shared, { path: '/other', method: 'DELETE', body: 'other', headers: {} })
  await Promise.all(ends)
  const told = good?.seen.map(
    ({ method, url, body, headers }) => `${method} ${url} ${body} ${headers['x-name']?.toString()}`,
  )
  expect(new Set(told)).toEqual(
    new Set(['one', 'two', 'three', 'four'].map((name) => `PUT /${name} ${name} ${name}`)),
  )
  expect(told).toHaveLength(4)
})

test('a form type of the caller counts where it says something, in whatever form of headers', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  const body = (): URLSearchParams => new URLSearchParams({ a: 'b' })
  const FORM = 'application/x-www-form-urlencoded;charset=UTF-8'
  const cases: [unknown, string][] = [
    [undefined, FORM],
    [{ 'Content-Type': undefined }, FORM],
    [{ 'content-type': '' }, FORM],
    [['x-a', '1'], FORM],
    [new Map([['x-a', '1']]), FORM],
    [new Headers({ 'x-a': '1' }), FORM],
    [{ 'CONTENT-TYPE': 'x/y' }, 'x/y'],
    [['Content-Type', 'x/y'], 'x/y'],
    [new Headers({ 'content-type': 'x/y' }), 'x/y'],
  ]
  for (const [headers, type] of cases) {
    const { body: answer } = await client.request(ORIGIN, { method: 'POST', body: body(), headers } as never)
    await answer.dump()
    expect([headers, task?.seen.at(-1)?.headers['content-type'], task?.seen.at(-1)?.body]).toEqual([
      headers,
      type,
      'a=b',
    ])
  }
})
