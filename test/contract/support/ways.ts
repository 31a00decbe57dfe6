/**
 * The contract with undici, tested by comparison: the same calls over a bare `Agent`, over this library for a host
 * that it passes on, and for one that it discovers with a single task and retries off. Callers see the same, and so
 * does the server, to the byte.
 */
import type { LookupFunction } from 'node:net'
import type { ClientOptions } from 'onehop'
import { Agent, type Dispatcher, type Pool } from 'undici'
import { expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { ca } from '../../support/transports/tls.ts'
import { TRANSPORTS, type Transport, type TransportName } from '../../support/transports/transports.ts'
import type { WireServer } from './wire-server.ts'

/** Both ends are in this process, and a busy machine is slow: what is compared is what happens, not how soon. */
export const PATIENT: NonNullable<ClientOptions['timeouts']> = {
  connectMs: 60_000,
  tcpConnectMs: 60_000,
  attemptMs: 60_000,
}

export interface Way extends AsyncDisposable {
  readonly name: string
  readonly origin: string
  readonly dispatcher: Dispatcher
  /** What takes the requests of hosts that are not discovered; the client does not end it. */
  readonly elsewhere?: Agent
}

/** @param pool undici's options, which a host that is passed on has no place for: then two ways are compared */
export function waysTo({ label, transport }: WireServer, pool?: Pool.Options): Way[] {
  const options =
    transport.pool === undefined && pool === undefined ? undefined : { ...transport.pool, ...pool }
  const isPlain = transport.scheme === 'http'
  const bare = new Agent(isPlain ? options : { ...options, connect: { ca, lookup: toServer } })
  // With TLS, both are called by the name of the certificate.
  const origin = isPlain ? `http://${label}` : `https://orders.shop.local:${new URL(`http://${label}`).port}`
  const ways: Way[] = [
    { name: 'a bare Agent', origin, dispatcher: bare, [Symbol.asyncDispose]: () => bare.destroy() },
  ]
  if (options === undefined) ways.push(over('passed on', origin, label))
  ways.push(over('discovered', isPlain ? ORIGIN : origin, label, options))
  return ways
}

const toServer = ((_host: string, _options: unknown, found: (error: null, all: object[]) => void) =>
  found(null, [{ address: '127.0.1.1', family: 4 }])) as unknown as LookupFunction

function over(name: string, origin: string, label: string, pool?: Pool.Options): Way {
  // That which is global would keep its connections.
  const passthrough = new Agent()
  const pooled = pool === undefined ? {} : { pool }
  const client = clientOf([label], { retry: false, timeouts: PATIENT, passthrough, ...pooled })
  return {
    name,
    origin,
    dispatcher: client.dispatcher,
    elsewhere: passthrough,
    async [Symbol.asyncDispose]() {
      await client.dispatcher.destroy()
      await passthrough.destroy()
      expect(client.inspect().callsUnderWay).toBe(0)
    },
  }
}

/** How a server is started, over any transport that it can speak. */
export type Serving = (transport: Transport) => Promise<WireServer>

export interface Scenario {
  readonly server: Serving
  /** Makes the calls, and tells all that a caller can see of them. */
  readonly call: (way: Way, server: WireServer) => Promise<unknown>
  /** What a bare Agent's caller sees, at least: a scenario in which nothing happens would show nothing. */
  readonly sees: unknown
  /** The same over some transports, where it is not the same. */
  readonly seesOver?: Partial<Record<TransportName, unknown>>
  /** Over which transports it cannot be, and why. */
  readonly notOver?: Partial<Record<TransportName, string>>
  readonly pool?: Pool.Options
  /** Where what the server gets depends on chance: how much of a body was sent when it broke off. */
  readonly anyBytes?: boolean
  /** Where each way has to wait for a timer: then all at the same time, and what the server gets is not compared. */
  readonly atOnce?: boolean
}

interface Result {
  readonly name: string
  readonly seen: unknown
  readonly wire: unknown
}

/** One test for each transport; those that cannot be are told with their reasons. */
export function sameAsUndici(name: string, scenario: Scenario): void {
  for (const transport of Object.values(TRANSPORTS)) {
    const reason = scenario.notOver?.[transport.name]
    if (reason === undefined) test(`${name} [${transport.name}]`, () => expectTheSame(scenario, transport))
    else test.skip(`${name} [not over ${transport.name}: ${reason}]`)
  }
}

async function expectTheSame(scenario: Scenario, transport: Transport): Promise<void> {
  await using server = await scenario.server(transport)
  const one = async (way: Way): Promise<Result> => {
    await using used = way
    const seen = plain(await scenario.call(used, server).catch((error: unknown) => error), server.label)
    const taken = server.take()
    const comparable = scenario.anyBytes !== true && scenario.atOnce !== true
    const wire = plain(comparable ? taken : [], server.label)
    return { name: way.name, seen, wire }
  }
  const ways = waysTo(server, scenario.pool)
  const results = scenario.atOnce === true ? await Promise.all(ways.map(one)) : []
  if (scenario.atOnce !== true) for (const way of ways) results.push(await one(way))
  const [bare, ...ours] = results
  const { sees, seesOver = {} } = scenario
  expect(bare?.seen).toEqual(transport.name in seesOver ? seesOver[transport.name] : sees)
  for (const result of ours) expect(result).toEqual({ ...bare, name: result.name })
}

/** Two ways differ in the host's name (in what fetch says of itself to hosts that it trusts, too), and forms in the boundary. */
function normal(text: string, label: string): string {
  return text
    .replaceAll(label, 'HOST')
    .replaceAll(/orders\.shop\.local(:\d+)?/g, 'HOST')
    .replaceAll('sec-fetch-mode: cors\r\n', '')
    .replaceAll(/-+(formdata-[a-z]+-\w+)/g, 'BOUNDARY')
}

/** What can be compared: errors by name, code, message and cause. */
function plain(value: unknown, label: string): unknown {
  if (typeof value === 'string') return normal(value, label)
  if (value instanceof Error) {
    const { name, message, cause } = value
    const { code } = value as NodeJS.ErrnoException
    return {
      error: name,
      message: normal(message, label),
      ...(code === undefined ? {} : { code }),
      ...(cause === undefined ? {} : { cause: plain(cause, label) }),
    }
  }
  if (Array.isArray(value)) return value.map((entry) => plain(entry, label))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry, label)]))
  return value
}
