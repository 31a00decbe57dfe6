import { buildConnector } from 'undici'
import { describe, expect, test } from 'vitest'
import type { Client } from 'onehop'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { startServers, type TestServer } from '../../../support/servers.ts'

const { keep } = resources()

const never = (): Promise<never> => new Promise(() => undefined)

// What an abort would have to wait for (a connection, a response, a timer) it would wait for each time; what the
// machine does besides, it does now and then.
const TRIES = 5

/** How long after an abort the caller hears of it, in ms; for each way of calling the best of some tries. */
async function heardAfter(client: Client, until: () => Promise<void>): Promise<number[]> {
  const calls = [
    (signal: AbortSignal) => client.fetch(ORIGIN, { signal }).then((response) => response.text()),
    (signal: AbortSignal) => client.request(ORIGIN, { signal }).then(({ body }) => body.text()),
    (signal: AbortSignal) =>
      client.request(ORIGIN, { signal, method: 'POST', body: 'x' }).then(({ body }) => body.text()),
  ]
  const times: number[] = []
  for (const call of calls) {
    let best = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < TRIES; attempt++) best = Math.min(best, await heardOnce(call, until))
    times.push(best)
  }
  expect(client.inspect().callsUnderWay).toBe(0)
  return times
}

async function heardOnce(
  call: (signal: AbortSignal) => Promise<string>,
  until: () => Promise<void>,
): Promise<number> {
  const abort = new AbortController()
  const reason = new Error('the caller left')
  const outcome = call(abort.signal).then(
    () => 'answered',
    (error: unknown) => error,
  )
  await until()
  const start = performance.now()
  abort.abort(reason)
  expect(await outcome).toBe(reason)
  return performance.now() - start
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30))

// The bound is the promise, and 100 times what is measured: it fails when an abort waits for something.
describe('an abort takes effect within 20 ms', () => {
  test('while resolving', async () => {
    const client = keep(clientOf(never()))
    expect(Math.max(...(await heardAfter(client, soon)))).toBeLessThan(20)
  })

  test('while connecting', async () => {
    // A connector that gets no answer, as behind a security group that drops packets.
    const client = keep(clientOf(['127.0.1.1:9'], { pool: { connect: () => undefined } }))
    expect(Math.max(...(await heardAfter(client, soon)))).toBeLessThan(20)
    const upstream = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]
    expect(upstream).toMatchObject({ pending: 0, state: 'available', failures: 0 })
    void client.dispatcher.destroy()
  })

  test('while connecting, and the request is not sent when the connection comes after all', async () => {
    const [task] = await startServers(1)
    const gate = Promise.withResolvers<void>()
    const connector = buildConnector({})
    const client = keep(
      clientOf([keep(task as TestServer)], {
        pool: { connect: (options, callback) => void gate.promise.then(() => connector(options, callback)) },
      }),
    )
    const abort = new AbortController()
    const call = client.request(ORIGIN, { signal: abort.signal, method: 'POST', body: 'pay' })
    await soon()
    abort.abort(new Error('left'))
    await expect(call).rejects.toThrow('left')
    gate.resolve()
    // The next call goes over the connection that the aborted one asked for, or another: it alone is seen.
    await client.request(ORIGIN, { method: 'POST', body: 'other' }).then(({ body }) => body.text())
    expect(task?.seen.map(({ body }) => body)).toEqual(['other'])
  })

  test('while waiting to retry', async () => {
    const [task] = await startServers(1, (_request, response) => {
      response.writeHead(503, { 'retry-after': '5' })
      response.end()
    })
    const client = keep(clientOf([keep(task as TestServer)], { retry: { on: () => true } }))
    let calls = 0
    const answered = async (): Promise<void> => {
      calls++
      await expect.poll(() => task?.seen.length, { interval: 1 }).toBe(calls)
      await soon()
    }
    expect(Math.max(...(await heardAfter(client, answered)))).toBeLessThan(20)
    expect(task?.seen).toHaveLength(3 * TRIES)
  })

  test('while waiting for headers', async () => {
    const [task] = await startServers(1, () => undefined)
    const client = keep(clientOf([keep(task as TestServer)]))
    expect(Math.max(...(await heardAfter(client, soon)))).toBeLessThan(20)
  })

  test('while reading', async () => {
    const [task] = await startServers(1, (_request, response) => void response.write('some'))
    const client = keep(clientOf([keep(task as TestServer)]))
    expect(Math.max(...(await heardAfter(client, soon)))).toBeLessThan(20)
    expect(client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]?.pending).toBe(0)
  })

  test('before it began', async () => {
    const client = keep(clientOf([]))
    const signal = AbortSignal.abort(new Error('early'))
    await expect(client.request(ORIGIN, { signal })).rejects.toThrow('early')
    await expect(client.fetch(ORIGIN, { signal })).rejects.toThrow('early')
  })
})

describe('a deadline', () => {
  test('ends a call in every phase, with an error of its own', async () => {
    const [silent] = await startServers(1, () => undefined)
    const [dripping] = await startServers(1, (_request, response) => void response.write('some'))
    const cases = [clientOf(never(), { timeouts: { deadlineMs: 40 } })]
    for (const server of [silent, dripping]) {
      cases.push(clientOf([keep(server as TestServer)], { timeouts: { deadlineMs: 40 } }))
    }
    for (const client of cases.map(keep)) {
      const call = client.request(ORIGIN).then(({ body }) => body.text())
      await expect(call).rejects.toMatchObject({ code: 'ONEHOP_DEADLINE_EXCEEDED' })
      expect(client.inspect().callsUnderWay).toBe(0)
    }
  })

  test('does nothing to a call that is over', async () => {
    const asked = Promise.withResolvers<() => void>()
    const [task] = await startServers(1, (_request, response) =>
      asked.resolve(() => void response.end('late')),
    )
    const clock = manualClock()
    const client = keep(clientOf([keep(task as TestServer)], { timeouts: { deadlineMs: 20 }, clock }))
    const call = client.request(ORIGIN).then(({ body }) => body.text())
    const answer = await asked.promise
    expect(clock.pendingTimers).toBe(4)
    answer()
    expect(await call).toBe('late')
    // What is left is the refresh of the snapshot, the look at the loop, and the limit that all attempts share.
    expect(clock.pendingTimers).toBe(3)
  })
})
