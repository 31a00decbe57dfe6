import { setImmediate as turn } from 'node:timers/promises'
import type { Client, UpstreamInspection } from 'onehop'
import { manualClock } from 'onehop/testing'
import { buildConnector } from 'undici'
import { describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../../../../src/core/clock.ts'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { compute } from '../../../support/compute.ts'
import { eventsOf } from '../../../support/events.ts'
import { resources } from '../../../support/resources.ts'
import type { TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

const never = (): Promise<never> => new Promise(() => undefined)

/** Turns of the event loop, however long one takes: without a timer, a connection or a response, an abort takes a few. */
const MAX_TURNS = 10

function upstreamOf(client: Client): UpstreamInspection | undefined {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]
}

type Call = (signal: AbortSignal, responded: () => void) => Promise<string>

/** Expects of each way of calling that an abort is heard at once. The client's timers stand still. */
async function expectHeard(
  client: Client,
  hasComeSoFar: (calls: number, responses: number) => boolean,
): Promise<void> {
  const post = { method: 'POST', body: 'x' }
  const ways: Call[] = [
    (signal, responded) =>
      client.fetch(ORIGIN, { signal }).then((response) => (responded(), response.text())),
    (signal, responded) => client.request(ORIGIN, { signal }).then(({ body }) => (responded(), body.text())),
    (signal, responded) =>
      client.request(ORIGIN, { signal, ...post }).then(({ body }) => (responded(), body.text())),
  ]
  let responses = 0
  for (const [index, call] of ways.entries()) {
    const abort = new AbortController()
    const reason = new Error('the caller left')
    const heard: unknown[] = []
    void call(abort.signal, () => responses++).then(
      () => heard.push('answered'),
      (error: unknown) => heard.push(error),
    )
    await expect.poll(() => hasComeSoFar(index + 1, responses)).toBe(true)
    expect(client.inspect().callsUnderWay).toBe(1)
    abort.abort(reason)
    for (let turns = 0; turns < MAX_TURNS && heard.length === 0; turns++) await turn()
    expect(heard).toEqual([reason])
    expect(heard[0]).toBe(reason)
  }
  expect(client.inspect().callsUnderWay).toBe(0)
}

describe('an abort takes effect at once', () => {
  test('while resolving', async () => {
    const client = keep(clientOf(never(), { clock: manualClock() }))
    await expectHeard(client, () => client.inspect().callsUnderWay === 1)
  })

  test('while connecting', async () => {
    // A connector that gets no answer, as behind a security group that drops packets.
    const pool = { connect: () => undefined }
    const client = keep(clientOf(['127.0.1.1:9'], { clock: manualClock(), pool }))
    await expectHeard(client, () => upstreamOf(client)?.pending === 1)
    expect(upstreamOf(client)).toMatchObject({ pending: 0, state: 'available', failures: 0 })
    void client.dispatcher.destroy()
  })

  test('while connecting, and the request is not sent when the connection comes after all', async () => {
    const [task] = await servers(1)
    const gate = Promise.withResolvers<void>()
    const connector = buildConnector({})
    const client = keep(
      clientOf([task as TestServer], {
        clock: manualClock(),
        pool: { connect: (options, callback) => void gate.promise.then(() => connector(options, callback)) },
      }),
    )
    const abort = new AbortController()
    const call = client.request(ORIGIN, { signal: abort.signal, method: 'POST', body: 'pay' })
    const left = expect(call).rejects.toThrow('left')
    await expect.poll(() => upstreamOf(client)?.pending).toBe(1)
    abort.abort(new Error('left'))
    await left
    gate.resolve()
    // The next call goes over the connection that the aborted one asked for, or another: it alone is seen.
    await client.request(ORIGIN, { method: 'POST', body: 'other' }).then(({ body }) => body.text())
    expect(task?.seen.map(({ body }) => body)).toEqual(['other'])
  })

  test('while waiting to retry', async () => {
    const [task] = await servers(1, (_request, response) => {
      response.writeHead(503, { 'retry-after': '5' })
      response.end()
    })
    const retried = eventsOf('onehop:call.retried')
    const client = keep(clientOf([task as TestServer], { clock: manualClock(), retry: { on: () => true } }))
    await expectHeard(client, (calls) => retried.length === calls)
    expect(task?.seen).toHaveLength(3)
  })

  test('while waiting for headers', async () => {
    const [task] = await servers(1, () => undefined)
    const client = keep(clientOf([task as TestServer], { clock: manualClock() }))
    await expectHeard(client, (calls) => task?.seen.length === calls)
  })

  test('while reading', async () => {
    const [task] = await servers(1, (_request, response) => void response.write('some'))
    const client = keep(clientOf([task as TestServer], { clock: manualClock() }))
    await expectHeard(client, (calls, responses) => responses === calls)
    expect(upstreamOf(client)?.pending).toBe(0)
  })

  test('before it began', async () => {
    const client = keep(clientOf([]))
    const signal = AbortSignal.abort(new Error('early'))
    await expect(client.request(ORIGIN, { signal })).rejects.toThrow('early')
    await expect(client.fetch(ORIGIN, { signal })).rejects.toThrow('early')
  })
})

/** No other limit has this length. */
const DEADLINE_MS = 54_321

describe('a deadline', () => {
  test.each(['resolving', 'waiting for headers', 'reading'])(
    'ends a call that is %s, with an error of its own',
    async (phase) => {
      const [task] = await servers(1, (_request, response) => {
        if (phase === 'reading') response.write('some')
      })
      const clock = manualClock()
      const answer = phase === 'resolving' ? never() : [task?.label ?? '']
      const client = keep(clientOf(answer, { timeouts: { deadlineMs: 40 }, clock }))
      let isReading = false
      const call = client.request(ORIGIN).then(({ body }) => ((isReading = true), body.text()))
      const ended = expect(call).rejects.toMatchObject({ code: 'ONEHOP_DEADLINE_EXCEEDED' })
      if (phase !== 'resolving') await expect.poll(() => task?.seen.length).toBe(1)
      if (phase === 'reading') await expect.poll(() => isReading).toBe(true)
      await clock.advance(39)
      expect(client.inspect().callsUnderWay).toBe(1)
      await clock.advance(1)
      await ended
      expect(client.inspect().callsUnderWay).toBe(0)
    },
  )

  test('that passes while this process computes leaves a call whose response is there', async () => {
    let isOver: (() => void) | undefined
    const clock: Clock = {
      ...systemClock,
      setTimer: (callback, delayMs, awaited) => {
        if (delayMs === DEADLINE_MS) isOver = callback
        return systemClock.setTimer(callback, delayMs, awaited)
      },
    }
    const [task] = await servers(1, (_request, response) => {
      response.end('in time')
      // Due before the client's socket is read.
      if (isOver !== undefined) setTimeout(isOver, 1)
      compute(5)
    })
    const client = keep(clientOf([task as TestServer], { clock }))
    const { body } = await client.request(ORIGIN, { deadlineMs: DEADLINE_MS })
    expect(await body.text()).toBe('in time')
    expect(isOver).toBeDefined()
  })

  test('does nothing to a call that is over', async () => {
    const asked = Promise.withResolvers<() => void>()
    const [task] = await servers(1, (_request, response) => asked.resolve(() => void response.end('late')))
    const clock = manualClock()
    const client = keep(clientOf([task as TestServer], { timeouts: { deadlineMs: 20 }, clock }))
    const call = client.request(ORIGIN).then(({ body }) => body.text())
    const answer = await asked.promise
    expect(clock.pendingTimers).toBe(4)
    answer()
    expect(await call).toBe('late')
    // What is left is the refresh of the snapshot, the look at the loop, and the limit that all attempts share.
    expect(clock.pendingTimers).toBe(3)
  })
})
