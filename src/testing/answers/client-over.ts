import { checkRecord, keyPath } from '../../core/check/check.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import { STAND_IN, type StandInOption } from '../../core/stand-in.ts'
import { taskEndpoint } from '../../discovery/endpoint.ts'
import type { Resolver } from '../../discovery/resolver.ts'
import { createClient, type Client, type ClientOptions } from '../../index.ts'
import { checkAnswers, StandIn, type Answers } from './stand-in.ts'

/** Options of {@link clientOver}: those of `createClient` that need no discovery and no connections. */
export type ClientOverOptions = Omit<ClientOptions, (typeof NOT_HERE)[number]>

const NOT_HERE = [
  'discovery',
  'dns',
  'cloudMap',
  'allowLoopback',
  'allowAddresses',
  'passthrough',
  'pool',
] as const

/** As many as a call has attempts by default. RFC 5737 keeps these addresses for examples; nothing connects to them. */
const ENDPOINTS = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => taskEndpoint(address))

/** Knows each host. */
const resolver: Resolver = {
  trusted: true,
  resolve: (service) =>
    Promise.resolve({
      service,
      endpoints: ENDPOINTS,
      complete: true,
      expiresAt: Number.POSITIVE_INFINITY,
      source: 'testing',
      revision: undefined,
    }),
}

/**
 * A client for unit tests: the real one, without discovery and sockets. Each attempt of a call goes to `answers`.
 *
 * Its hosts are those of `namespaces` and `services`; if neither is given, every host. Calls have one attempt, unless `retry`
 * allows more, so that each call is one request. Deadlines, retries, hedges, limits, events and `inspect()` are those of
 * `createClient`; `resolve` and `watch` report three addresses that nothing connects to, and `acquire` throws.
 * @param answers undici's `MockAgent` or another dispatcher, which the client does not close; or a `fetch`, which gets a
 *   `Request` with its whole body
 * @throws InvalidOptionsError for options of discovery and connections, and what `createClient` throws
 */
export function clientOver(answers: Answers, options: ClientOverOptions = {}): Client {
  const given: ClientOptions = checkRecord('', options)
  for (const key of NOT_HERE) refuse(key, given[key])
  refuse('fallback.pool', poolOf(given.fallback))
  for (const [host, service] of Object.entries(given.services ?? {})) {
    const path = keyPath('services', host)
    refuse(`${path}.pool`, poolOf(service))
    refuse(`${path}.fallback.pool`, poolOf(service?.fallback))
  }
  const checked = checkAnswers(answers)
  const own: ClientOptions & StandInOption = {
    ...given,
    retry: given.retry ?? { attempts: 1 },
    zone: given.zone ?? false,
    outlier: given.outlier ?? false,
    discovery: resolver,
    passthrough: new StandIn(checked),
    [STAND_IN]: (origin) => new StandIn(checked, origin.origin),
  }
  return { ...createClient(own), acquire }
}

function refuse(path: string, value: unknown): void {
  if (value === undefined) return
  const allowed =
    'nothing: clientOver and answerWith have neither discovery nor connections; createClient has'
  throw new InvalidOptionsError(path, value, allowed)
}

/** The option `pool` of what may be an object. `createClient` checks the rest. */
function poolOf(options: unknown): unknown {
  return (options as { readonly pool?: unknown } | null | undefined)?.pool
}

function acquire(origin: string | URL): never {
  throw new InvalidOptionsError(
    'origin',
    origin,
    'nothing: clientOver and answerWith have no tasks to connect to; use createClient with startFleet and staticResolver',
  )
}
