/** What `retry.on` may override, and what not, as docs/requests.md has it. */
import { Readable } from 'node:stream'
import { InvalidOptionsError, type Outcome, type RetryRequest } from 'onehop'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

type Answer = TestServer['answer']
const status =
  (code: number): Answer =>
  (_request, response) =>
    void response.writeHead(code).end(String(code))
const breaksOff: Answer = (request) => void request.socket.destroy()

/** Three tasks of one behaviour, and how many requests they see of one call. */
async function seenOf(
  answer: Answer,
  rule: unknown,
  request: object = {},
  options: object = {},
): Promise<number> {
  const tasks = await servers(3, answer)
  const client = keep(clientOf(tasks, { retry: { on: rule as never, ...options } }))
  await client
    .request(ORIGIN, request)
    .then(({ body }) => body.dump())
    .catch((error: unknown) => {
      if (error instanceof InvalidOptionsError) throw error
    })
  return tasks.reduce((sum, { seen }) => sum + seen.length, 0)
}

const post = { method: 'POST', body: 'x' }
const always = (): boolean => true

describe('a rule that says true', () => {
  test.each([
    ['a POST that broke off', breaksOff, post],
    ['a POST that was answered with 503', status(503), post],
    ['a GET that was answered with 500', status(500), {}],
    ['a GET that was answered with 404', status(404), {}],
  ])('has %s sent again, as often as there are attempts', async (_what, answer, request) => {
    expect(await seenOf(answer, undefined, request)).toBe(1)
    expect(await seenOf(answer, always, request)).toBe(3)
    expect(await seenOf(answer, always, request, { attempts: 2 })).toBe(2)
  })

  test('does not override the budget', async () => {
    expect(await seenOf(status(503), always, {}, { budget: { ratio: 0, minPerSecond: 0 } })).toBe(1)
  })

  test('does not override a body that is too long to send again', async () => {
    const body = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(2_000)))
    expect(await seenOf(status(503), always, { method: 'PUT', body })).toBe(1)
  })

  test('is not asked about good answers, faults of the request and limits of this process', async () => {
    const asked: Outcome[] = []
    const rule = (outcome: Outcome): boolean => {
      asked.push(outcome)
      return true
    }
    expect(await seenOf(status(204), rule)).toBe(1)
    expect(await seenOf(status(302), rule)).toBe(1)
    expect(await seenOf(status(200), rule, { headers: { 'content-length': 'x' } })).toBe(0)
    const overLimit: Answer = (_request, response) =>
      void response.writeHead(200, { x: 'v'.repeat(20_000) }).end()
    expect(await seenOf(overLimit, rule)).toBe(1)
    expect(asked).toEqual([])
  })
})

describe('a rule that says false', () => {
  test('has a call end that would be asked again', async () => {
    expect(await seenOf(status(503), undefined)).toBe(3)
    expect(await seenOf(status(503), () => false)).toBe(1)
    const [task] = await servers(1)
    const labels = [await refusingAddress(), task?.label ?? '']
    const client = keep(clientOf(labels, { retry: { on: () => false } }))
    await expect(client.request(ORIGIN)).rejects.toMatchObject({ attempts: { length: 1 } })
  })
})

test('a rule that says nothing leaves it, and knows the request', async () => {
  const asked: RetryRequest[] = []
  const rule = (_outcome: Outcome, request: RetryRequest): undefined => void asked.push(request)
  expect(await seenOf(status(503), rule)).toBe(3)
  expect(asked).toEqual(
    [1, 2, 3].map((attempts) => ({ method: 'GET', path: '/', idempotent: true, attempts })),
  )
})

describe('a rule that answers later', () => {
  test.each([
    ['a promise', () => Promise.resolve(true)],
    ['a promise of no', () => Promise.resolve(false)],
    ['a promise that rejects', () => Promise.reject(new Error('nobody hears this'))],
  ])('by %s fails the call with an error that says so, and nothing is sent again', async (_what, rule) => {
    for (const [answer, request] of [
      [status(503), {}],
      [breaksOff, post],
    ] as const) {
      await expect(seenOf(answer, rule, request)).rejects.toThrow(
        'retry.on: got a promise; allowed: a function that returns true, false or undefined at once',
      )
    }
    const tasks = await servers(2, breaksOff)
    const client = keep(clientOf(tasks, { retry: { on: rule as never } }))
    await client.request(ORIGIN, post).catch(() => undefined)
    expect(tasks.reduce((sum, { seen }) => sum + seen.length, 0)).toBe(1)
    expect(client.inspect().callsUnderWay).toBe(0)
  })
})
