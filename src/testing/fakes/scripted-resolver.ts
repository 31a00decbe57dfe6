import { abortable } from '../../core/async/abortable.ts'
import type { Clock } from '../../core/clock.ts'
import { taskEndpoint, type Endpoint, type Snapshot } from '../../discovery/endpoint.ts'
import type { Resolver } from '../../discovery/resolver.ts'
import type { ServiceName } from '../../discovery/service-name.ts'

/** What the next lookups answer: a set of endpoints, a failure, or a promise of either (a slow source). */
export type ScriptedAnswer = readonly (string | Endpoint)[] | Error

export interface ScriptedResolver extends Resolver {
  /** From now on every lookup answers this. Endpoints as `address:port` or as they are. */
  answer(next: ScriptedAnswer | Promise<ScriptedAnswer>): void
  /** The same, as a part of a larger set: `complete: false`, as a DNS answer with 8 records is. */
  sample(next: ScriptedAnswer | Promise<ScriptedAnswer>): void
  /** Names asked for so far, in order. */
  readonly lookups: readonly ServiceName[]
}

/**
 * A resolver for tests: each lookup gets the answer that the test has set.
 * @param ttlMs how long its answers are fresh
 */
export function scriptedResolver(
  clock: Clock,
  first: ScriptedAnswer | Promise<ScriptedAnswer>,
  ttlMs = 10_000,
): ScriptedResolver {
  let script = first
  let complete = true
  const lookups: ServiceName[] = []
  return {
    trusted: true,
    lookups,
    answer(next) {
      script = next
      complete = true
    },
    sample(next) {
      script = next
      complete = false
    },
    async resolve(service, signal): Promise<Snapshot> {
      lookups.push(service)
      const answer = await abortable(Promise.resolve(script), signal)
      if (answer instanceof Error) throw answer
      return {
        service,
        endpoints: answer.map((entry) => (typeof entry === 'string' ? parseEndpoint(entry) : entry)),
        complete,
        expiresAt: clock.now() + ttlMs,
        source: 'scripted',
        revision: undefined,
      }
    },
  }
}

function parseEndpoint(text: string): Endpoint {
  const { hostname, port } = new URL(`tcp://${text}`)
  return taskEndpoint(hostname.replace(/^\[|\]$/g, ''), { port: port === '' ? undefined : Number(port) })
}
