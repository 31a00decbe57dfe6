/**
 * What callers' own code does wrong, in the middle of a call: the call ends, and nothing of it is left.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Candidate, Client, UpstreamInspection } from 'onehop'
import { manualClock } from 'onehop/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock, type Clock } from '../../../../src/core/clock.ts'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { eventsOf } from '../../../support/events.ts'
import { recordingHandler, silentHandler } from '../../../support/handlers.ts'
import { learnHedging } from '../../../support/hedging.ts'
import { resources } from '../../../support/resources.ts'
import { TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

function upstreams(client: Client): readonly UpstreamInspection[] {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
}

describe('an abort from within the judgement of a failure', () => {
  test.each(['retry.on', 'a subscriber of onehop:call.retried'])(
    'by %s leaves no attempt counted',
    async (by) => {
      let aborting = new AbortController()
      const abort = (): void => aborting.abort(new Error('enough'))
      const tasks = await servers(2, (_request, response) => {
        response.statusCode = 503
        response.end('no')
      })
      const on = (): boolean => {
        abort()
        return true
      }
      const client = keep(clientOf(tasks, by === 'retry.on' ? { retry: { on } } : {}))
      if (by !== 'retry.on') {
        subscribe('onehop:call.retried', abort)
        onTestFinished(() => void unsubscribe('onehop:call.retried', abort))
      }
      for (let call = 0; call < 3; call++) {
        aborting = new AbortController()
        await expect(client.request(ORIGIN, { signal: aborting.signal })).rejects.toThrow('enough')
      }
      // Answers that are not handed on are read to their end.
      await expect.poll(() => upstreams(client).map(({ pending }) => pending)).toEqual([0, 0])
      expect(client.inspect().callsUnderWay).toBe(0)
    },
  )
})

test('an abort in a listener to a retry leaves no timer', async () => {
  const tasks = await servers(1, (_request, response) => {
    response.writeHead(503, { 'retry-after': '5' })
    response.end()
  })
  const waits = new Set<number>()
  const clock: Clock = {
    ...systemClock,
    setTimer(callback, delayMs, awaited) {
      waits.add(delayMs)
      const timer = systemClock.setTimer(callback, delayMs, awaited)
      return {
        cancel() {
          waits.delete(delayMs)
          timer.cancel()
        },
      }
    },
  }
  const client = keep(clientOf(tasks, { clock }))
  const aborting = new AbortController()
  const abort = (): void => aborting.abort(new Error('enough'))
  subscribe('onehop:call.retried', abort)
  onTestFinished(() => void unsubscribe('onehop:call.retried', abort))
  await expect(client.request(ORIGIN, { signal: aborting.signal })).rejects.toThrow('enough')
  // Full jitter may make it longer, but no other timer comes near it.
  expect([...waits].filter((ms) => ms >= 4_000 && ms < 9_000)).toEqual([])
})

test('a handler that throws in onResponseError is not called again', () => {
  const client = keep(clientOf([]))
  let told = 0
  const handler = {
    ...silentHandler,
    onResponseError: () => {
      told++
      throw new Error('my handler')
    },
  }
  const options = { origin: ORIGIN, path: '/', method: 'GET' as const, deadlineMs: 0 }
  expect(() => client.dispatcher.dispatch(options, handler)).toThrow('my handler')
  expect(told).toBe(1)
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('a call that cannot be sent does not probe: the next call readmits the task', async () => {
  const [one, two] = await servers(2)
  if (one === undefined || two === undefined) throw new Error('no tasks')
  const clock = manualClock()
  const client = keep(
    clientOf([one, two], { clock, deadlineHeader: 'x-deadline-ms', timeouts: { deadlineMs: 5_000 } }),
  )
  const { port } = one
  await one.kill()
  for (let call = 0; call < 4; call++) await (await client.request(ORIGIN)).body.dump()
  expect(upstreams(client)[0]?.state).toBe('ejected')
  const back = await new TestServer().listen('127.0.1.1', port)
  onTestFinished(() => back.kill())
  await clock.advance(1_000)
  await expect(client.request(ORIGIN, { headers: new Set([null]) as never })).rejects.toThrow()
  expect(upstreams(client)[0]?.state).toBe('ejected')
  await (await client.request(ORIGIN)).body.dump()
  expect(upstreams(client)[0]?.state).toBe('available')
})

test('headers that cannot be read fail the call, once, where it asks whether it may be hedged', async () => {
  const tasks = await servers(2)
  const clock = manualClock()
  const client = keep(clientOf(tasks, { clock, hedge: true, timeouts: { deadlineMs: 200 } }))
  const { handler, heard } = recordingHandler()
  client.dispatcher.dispatch(
    { origin: ORIGIN, path: '/', method: 'POST', headers: new Set([null]) as never },
    handler,
  )
  await clock.advance(400)
  expect(heard).toHaveLength(1)
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('a balancer that throws when it is asked for a hedge ends the call, and its first attempt', async () => {
  const tasks = await servers(2)
  let asked = Number.NEGATIVE_INFINITY
  const balancer = {
    pick: (candidates: readonly Candidate[]) => {
      if (++asked === 2) throw new Error('my balancer')
      return candidates[0]
    },
  }
  const clock = manualClock()
  const client = keep(clientOf(tasks, { clock, hedge: true, balancer }))
  const delayMs = await learnHedging(client, clock)
  const isLate = Promise.withResolvers<void>()
  for (const task of tasks) task.answer = () => isLate.resolve()
  asked = 0
  const { handler, heard, ended } = recordingHandler()
  client.dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET' }, handler)
  await isLate.promise
  await clock.advance(delayMs)
  await ended
  await clock.advance(60_000)
  expect(heard).toEqual(['my balancer'])
  expect(upstreams(client).map(({ pending }) => pending)).toEqual([0, 0])
})

test('a handler that throws when its call is destroyed does not keep the others from their end', async () => {
  const [task] = await servers(1, (request, response) => {
    if (request.url !== '/503') return
    response.statusCode = 503
    response.setHeader('retry-after', '5')
    response.end()
  })
  if (task === undefined) throw new Error('no task')
  const client = clientOf([task], { clock: manualClock() })
  const retried = eventsOf('onehop:call.retried')
  const uncaught: string[] = []
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => void uncaught.push(error.message))
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  client.dispatcher.dispatch(
    { origin: ORIGIN, path: '/503', method: 'GET' },
    {
      ...silentHandler,
      onResponseError: () => {
        throw new Error('my handler')
      },
    },
  )
  const onTheWire = client.request(`${ORIGIN}/slow`).catch((error: Error) => error.message)
  const waiting = client.request(`${ORIGIN}/503`).catch((error: Error) => error.message)
  await expect.poll(() => [task.seen.length, retried.length]).toEqual([3, 2])
  await client.dispatcher.destroy()
  expect(await onTheWire).toEqual(expect.any(String))
  expect(await waiting).toEqual(expect.any(String))
  expect(uncaught).toEqual(['my handler'])
  expect(client.inspect().callsUnderWay).toBe(0)
})
