/**
 * What the library reports: `node:diagnostics_channel` events, one channel for each name, typed
 * payloads. Nothing is built or published unless there is a listener, and there is no logger to configure.
 *
 *     import { onEvent } from 'onehop'
 *     onEvent('onehop:upstream.ejected', ({ upstream, reason }) => log.warn({ upstream, reason }))
 */
import { channel, subscribe, unsubscribe, type Channel } from 'node:diagnostics_channel'
import type { EventPayloads } from './event-payloads.ts'

/** Names of the events, e.g. `onehop:call.retried`. */
export type EventName = keyof EventPayloads

/** The names of all channels, for those who subscribe to everything. */
export const eventNames: readonly EventName[] = [
  'onehop:snapshot.changed',
  'onehop:snapshot.held',
  'onehop:resolve.failed',
  'onehop:discovery.fell-back',
  'onehop:discovery.recovered',
  'onehop:revision.denied',
  'onehop:location.unknown',
  'onehop:endpoint.refused',
  'onehop:upstream.ejected',
  'onehop:upstream.readmitted',
  'onehop:cluster.panicked',
  'onehop:call.retried',
  'onehop:call.hedged',
  'onehop:retry.over-budget',
  'onehop:call.fell-back',
  'onehop:classify.failed',
  'onehop:lease.leaked',
  'onehop:call.observed',
  'onehop:registration.changed',
  'onehop:registration.retried',
  'onehop:registration.evicted',
  'onehop:registration.lost',
  'onehop:registration.orphan-removed',
  'onehop:registration.denied',
  'onehop:health.changed',
  'onehop:shutdown.too-short',
  'onehop:shutdown.changed',
  'onehop:shutdown.cut',
  'onehop:protection.changed',
]

const channels = new Map<EventName, Channel>(eventNames.map((name) => [name, channel(name)]))

/** Publishes what `payload` builds, which is called only when there is a listener. */
export function emit<Name extends EventName>(name: Name, payload: () => EventPayloads[Name]): void {
  const target = channels.get(name)
  if (target?.hasSubscribers) target.publish(payload())
}

/**
 * `diagnostics_channel`'s `subscribe`, with the payload's type. What a listener throws becomes an `uncaughtException`, as
 * Node has it for all channels.
 * @returns what ends it
 */
export function onEvent<Name extends EventName>(
  name: Name,
  listener: (event: EventPayloads[Name]) => void,
): () => void {
  const heard = (event: unknown): void => listener(event as EventPayloads[Name])
  subscribe(name, heard)
  return () => void unsubscribe(name, heard)
}
