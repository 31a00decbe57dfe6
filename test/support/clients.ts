import { createClient, type Client, type ClientOptions } from 'onehop'
import { systemClock } from '../../src/core/clock.ts'
import { roundRobin } from '../../src/balancer/round-robin.ts'
import {
  scriptedResolver,
  type ScriptedAnswer,
  type ScriptedResolver,
} from '../../src/testing/fakes/scripted-resolver.ts'
import type { Transport } from './transports/transports.ts'

export const ORIGIN = 'http://orders.shop.local'

/** Where the service is called over a transport. */
export function originOver({ scheme }: Transport): string {
  return `${scheme}://orders.shop.local`
}

/**
 * A client whose discovery answers what the test says, on real time or on `clock`. Tasks are taken in turn, from the first.
 * @param answer of discovery; servers stand for their addresses
 */
export function clientOf(
  answer: ScriptedAnswer | Promise<ScriptedAnswer> | readonly { readonly label: string }[],
  options: ClientOptions = {},
): Client & { resolver: ScriptedResolver } {
  const script = Array.isArray(answer)
    ? answer.map((entry) => (typeof entry === 'object' && 'label' in entry ? entry.label : entry))
    : answer
  const resolver = scriptedResolver(options.clock ?? systemClock, script as ScriptedAnswer)
  const client = createClient({
    namespaces: ['shop.local'],
    discovery: resolver,
    balancer: roundRobin({ random: { next: () => 0 } }),
    ...options,
  })
  return Object.assign(client, { resolver })
}
