import { createClient, staticResolver, type Client, type ClientOptions } from '../../index.ts'
import { attentiveClock } from '../endpoints/busy-start.ts'
import { clientOptions, type CallValues, type DiscoveryValues } from '../options/client-flags.ts'
import { UsageError, wrongValue } from '../options/option.ts'

/** How a call goes: as a client does it, straight to tasks, or through the load balancer. */
export type Way = 'client' | 'direct' | 'fallback'

/** A client for one way. */
export interface Arm {
  readonly way: Way
  readonly client: Client
}

/** Options that decide about the arms. */
export interface ArmValues extends DiscoveryValues, CallValues {
  readonly via: readonly string[]
  readonly hedge: boolean
  readonly timeout: number
}

/**
 * One client for each way; close them.
 * @throws UsageError for an unknown way, or for `fallback` without a load balancer
 */
export function armsFor(host: string, options: ArmValues): readonly Arm[] {
  const ways: readonly Way[] = options.via.length === 0 ? ['client'] : options.via.map(wayOf)
  const base: ClientOptions = {
    ...clientOptions(host, options),
    hedge: options.hedge,
    timeouts: { deadlineMs: options.timeout },
    // Otherwise a command that starts slowly would go by DNS, which has no ports, before the API was asked.
    clock: attentiveClock,
    // A host in no namespace is found by DNS.
    services: { [host]: {} },
  }
  if (ways.includes('fallback') && base.fallback === undefined)
    throw new UsageError('--via fallback needs the load balancer: --fallback URL')
  return ways.map((way) => ({ way, client: createClient(optionsOf(way, host, base)) }))
}

function wayOf(text: string): Way {
  if (text !== 'direct' && text !== 'fallback')
    throw wrongValue('--via', text, 'direct, fallback, or direct,fallback')
  return text
}

function optionsOf(way: Way, host: string, base: ClientOptions): ClientOptions {
  switch (way) {
    case 'client':
      return base
    case 'direct':
      return { ...base, fallback: undefined }
    case 'fallback':
      // A service without tasks: all calls go to the load balancer.
      return { ...base, discovery: staticResolver({ [host]: [] }) }
  }
}
