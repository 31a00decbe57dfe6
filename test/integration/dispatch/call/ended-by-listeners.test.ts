/**
 * Code of the user's runs in the middle of a call: listeners, rules, balancers. Wherever it ends the call, nothing of it is
 * sent from then on, its handler hears nothing but that end, and nothing stays counted.
 */
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { onEvent, tracing, type Client, type EventName } from 'onehop'
import { manualClock } from 'onehop/testing'
import type { Dispatcher } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { recordingHandler } from '../../../support/handlers.ts'
import { learnHedging } from '../../../support/hedging.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress, TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

interface Arranged {
  readonly client: Client
  readonly tasks: readonly TestServer[]
  readonly request?: object
  /** How many the call is to have begun. */
  readonly attempts?: number
  /** Time goes on until the call is slow, once its first attempt has come to a task. */
  readonly getSlow?: () => Promise<void>
}
type Arrange = (end: () => void) => Promise<Arranged>

/** Ends the call with each of these events. */
function on(name: EventName, end: () => void): void {
  onTestFinished(onEvent(name, end))
}

type Moment = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'
function onTrace(noun: 'call' | 'attempt', moment: Moment, end: () => void): void {
  const listeners = { [moment]: end }
  tracing[noun].subscribe(listeners)
  onTestFinished(() => tracing[noun].unsubscribe(listeners))
}

const no: TestServer['answer'] = (_request, response) => void response.writeHead(503).end('no')
const well = async (count = 2): Promise<TestServer[]> => servers(count)
const unwell = async (count = 3): Promise<TestServer[]> => servers(count, no)

async function balancer(): Promise<TestServer> {
  return keep(await new TestServer().listen('127.0.1.9'))
}

/** Tasks that answer no more; the call to come would have a second attempt. */
async function hedging(more: object = {}): Promise<Arranged> {
  const tasks = await well()
  const clock = manualClock()
  const client = keep(clientOf(tasks, { clock, hedge: true, ...more }))
  const delayMs = await learnHedging(client, clock)
  const isLate = Promise.withResolvers<void>()
  for (const task of tasks) {
    task.seen.length = 0
    task.answer = () => isLate.resolve()
  }
  const getSlow = async (): Promise<void> => {
    await isLate.promise
    await clock.advance(delayMs)
  }
  return { client, tasks, getSlow }
}

/** The first task refuses connections, the second answers. */
async function refusedFirst(): Promise<Arranged> {
  const tasks = await well(1)
  const labels = tasks.map(({ label }) => label)
  return { tasks, client: keep(clientOf([await refusingAddress(), ...labels])) }
}

/** @returns what picks the first, and calls `end` at the given pick */
function endingAt(
  pick: number,
  end: () => void,
): { pick: <Kind>(candidates: readonly Kind[]) => Kind | undefined } {
  let picks = 0
  return {
    pick: (candidates) => {
      if (++picks === pick) end()
      return candidates[0]
    },
  }
}

/** How many requests of the call have come to tasks when it is ended, and who ends it how. */
const PLACES: Record<string, readonly [sent: number, arrange: Arrange]> = {
  "the balancer's key": [
    0,
    async (end) => {
      const tasks = await well()
      const keyOf = (): undefined => end() as undefined
      return { tasks, client: keep(clientOf(tasks, { balancer: { ...endingAt(0, end), keyOf } })) }
    },
  ],
  'the first pick': [
    0,
    async (end) => {
      const tasks = await well()
      return { tasks, client: keep(clientOf(tasks, { balancer: endingAt(1, end) })) }
    },
  ],
  'the pick for a retry': [
    1,
    async (end) => {
      const tasks = await unwell()
      return { tasks, client: keep(clientOf(tasks, { balancer: endingAt(2, end) })) }
    },
  ],
  'the pick for a hedge': [
    1,
    async (end) => {
      let armed = false
      const first = endingAt(0, end)
      let picks = 0
      const pick: (typeof first)['pick'] = (candidates) => {
        if (armed && ++picks === 2) end()
        return first.pick(candidates)
      }
      const arranged = await hedging({ balancer: { pick } })
      armed = true
      return arranged
    },
  ],
  'its headers': [
    0,
    async (end) => {
      const tasks = await well()
      const headers = {
        *[Symbol.iterator]() {
          end()
          yield ['x-name', 'value']
        },
      }
      return { tasks, client: keep(clientOf(tasks, { hedge: true })), request: { headers } }
    },
  ],
  'the retry rule': [
    1,
    async (end) => {
      const tasks = await unwell()
      const rule = (): boolean => {
        end()
        return true
      }
      return { tasks, client: keep(clientOf(tasks, { retry: { on: rule } })) }
    },
  ],
  'the resolver': [
    0,
    async (end) => {
      const tasks = await well()
      const client = clientOf(tasks, {
        discovery: {
          resolve: () => {
            end()
            return new Promise(() => undefined)
          },
        } as never,
      })
      onTestFinished(() => void client.dispatcher.destroy())
      return { tasks, client }
    },
  ],
  'onehop:snapshot.changed': [
    0,
    async (end) => {
      const tasks = await well()
      on('onehop:snapshot.changed', end)
      return { tasks, client: keep(clientOf(tasks)) }
    },
  ],
  'onehop:call.fell-back': [
    0,
    async (end) => {
      const lb = await balancer()
      on('onehop:call.fell-back', end)
      return { tasks: [lb], client: keep(clientOf([], { fallback: `http://${lb.label}` })) }
    },
  ],
  'onehop:call.fell-back, of a retry': [
    0,
    async (end) => {
      const lb = await balancer()
      const refusing = await Promise.all([1, 2].map((number) => refusingAddress(`127.0.1.${200 + number}`)))
      on('onehop:call.fell-back', end)
      return { tasks: [lb], client: keep(clientOf(refusing, { fallback: `http://${lb.label}` })) }
    },
  ],
  'onehop:call.retried': [
    1,
    async (end) => {
      const tasks = await unwell()
      on('onehop:call.retried', end)
      return { tasks, client: keep(clientOf(tasks)) }
    },
  ],
  'onehop:call.hedged': [
    1,
    async (end) => {
      const arranged = await hedging()
      on('onehop:call.hedged', end)
      return arranged
    },
  ],
  'onehop:cluster.panicked': [
    0,
    async (end) => {
      // The first attempt puts the only task out, and the second would be a guess.
      const client = keep(clientOf([await refusingAddress()]))
      on('onehop:cluster.panicked', end)
      return { tasks: [], client, attempts: 1 }
    },
  ],
  'onehop:upstream.ejected': [
    0,
    async (end) => {
      on('onehop:upstream.ejected', end)
      return await refusedFirst()
    },
  ],
  'onehop:upstream.ejected, of a task that drains': [
    1,
    async (end) => {
      const tasks = await servers(2, (_request, response) => {
        response.writeHead(503, { connection: 'close', 'x-onehop-draining': '1' }).end('no')
      })
      on('onehop:upstream.ejected', end)
      return { tasks, client: keep(clientOf(tasks)) }
    },
  ],
  'onehop:retry.over-budget': [
    1,
    async (end) => {
      const tasks = await unwell()
      on('onehop:retry.over-budget', end)
      const budget = { ratio: 0, minPerSecond: 0 }
      return { tasks, client: keep(clientOf(tasks, { retry: { budget } })) }
    },
  ],
  'the start of a call': [
    0,
    async (end) => {
      const tasks = await well()
      onTrace('call', 'start', end)
      return { tasks, client: keep(clientOf(tasks)) }
    },
  ],
  'the start of an attempt': [
    0,
    async (end) => {
      const tasks = await well()
      onTrace('attempt', 'start', end)
      return { tasks, client: keep(clientOf(tasks)) }
    },
  ],
  'the error of an attempt': [
    0,
    async (end) => {
      onTrace('attempt', 'error', end)
      return await refusedFirst()
    },
  ],
  'the end of an attempt': [
    0,
    async (end) => {
      onTrace('attempt', 'asyncEnd', end)
      return await refusedFirst()
    },
  ],
}

/** No other test listens here, so none takes a port while nothing listens on it. */
const OWN_ADDRESS = '127.0.77.1'

/** A port that refuses connections, and that a test can listen on later. */
async function refusingPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, OWN_ADDRESS, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A client of one task that refused a connection a second ago: the next call probes it. */
async function ejectedOnce(): Promise<{ client: Client; port: number }> {
  const port = await refusingPort()
  const client = keep(clientOf([`${OWN_ADDRESS}:${port}`]))
  await client.request(ORIGIN).catch(() => undefined)
  await delay(1_050)
  return { client, port }
}

describe('a call that is ended', () => {
  test.each(Object.entries(PLACES))('by %s', async (_place, [sent, arrange]) => {
    let controller: Dispatcher.DispatchController | undefined
    let isWanted = false
    let isArmed = false
    const end = (): void => {
      if (!isArmed) return
      isWanted = true
      controller?.abort(new Error('enough'))
    }
    const { client, tasks, request, attempts, getSlow } = await arrange(end)
    isArmed = true
    const { handler, heard, ended } = recordingHandler((given) => {
      controller = given
      heard.push('start')
      // The call was ended before there was a controller: a signal works like this.
      if (isWanted) given.abort(new Error('enough'))
    })
    client.dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET', ...request }, handler)
    await getSlow?.()
    await ended
    // Anything that is sent or heard after the end comes within this time.
    await delay(150)
    expect(isWanted).toBe(true)
    expect(heard).toEqual(['start', 'enough'])
    expect(tasks.flatMap(({ seen }) => seen)).toHaveLength(sent)
    expect(client.inspect().callsUnderWay).toBe(0)
    const upstreams = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
    for (const { pending } of upstreams) expect(pending).toBe(0)
    if (attempts !== undefined) expect(upstreams.map(({ requests }) => requests)).toEqual([attempts])
  })

  test('in the event of a readmitted task gets no response', async () => {
    const { client, port } = await ejectedOnce()
    const back = keep(await new TestServer().listen(OWN_ADDRESS, port))
    let controller: Dispatcher.DispatchController | undefined
    on('onehop:upstream.readmitted', () => controller?.abort(new Error('enough')))
    const { handler, heard, ended } = recordingHandler((given) => void (controller = given))
    client.dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET' }, handler)
    await ended
    await delay(150)
    expect(heard).toEqual(['enough'])
    expect(back.seen).toHaveLength(1)
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('as its upgrade is reported leaves no socket open', async () => {
    const { client, port } = await ejectedOnce()
    let closed = false
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('close', () => (closed = true))
      socket.on('data', () =>
        socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      )
    })
    await new Promise<void>((resolve) => server.listen(port, OWN_ADDRESS, resolve))
    let controller: Dispatcher.DispatchController | undefined
    on('onehop:upstream.readmitted', () => controller?.abort(new Error('enough')))
    const { handler, heard, ended } = recordingHandler((given) => void (controller = given))
    client.dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET', upgrade: 'x' }, handler)
    await ended
    await expect.poll(() => closed).toBe(true)
    expect(heard).toEqual(['enough'])
    await new Promise((resolve) => server.close(resolve))
  })
})
