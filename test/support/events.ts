import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { onTestFinished } from 'vitest'
import type { EventPayloads } from '../../src/core/event-payloads.ts'
import type { EventName } from '../../src/core/events.ts'

/** The events of one name that are published during this test. */
export function eventsOf<Name extends EventName>(name: Name): readonly EventPayloads[Name][] {
  const events: EventPayloads[Name][] = []
  const listen = (event: unknown): void => void events.push(event as EventPayloads[Name])
  subscribe(name, listen)
  onTestFinished(() => void unsubscribe(name, listen))
  return events
}
