import type { Outcome } from '../outcome.ts'
import { reasonOf } from './reason-of.ts'

/** One try of a call, as errors and events report it. */
export interface AttemptRecord {
  /** `10.0.11.42:8080` or `[2a05::1]:8080`. */
  readonly upstream: string
  /** 0: a task. 1: the load balancer. */
  readonly tier: 0 | 1
  /** How it ended. */
  readonly outcome: Outcome
}

/** Attempts in a row with the same outcome are one entry: `10.0.11.42:8080, 10.0.12.7:8080: connect ECONNREFUSED`. */
export function describeAttempts(attempts: readonly AttemptRecord[]): string {
  const groups: { readonly places: Map<string, number>; readonly outcome: string }[] = []
  for (const { upstream, tier, outcome } of attempts) {
    const text = describeOutcome(outcome, upstream)
    const place = tier === 1 ? `load balancer ${upstream}` : upstream
    let group = groups.at(-1)
    if (group?.outcome !== text) {
      group = { places: new Map(), outcome: text }
      groups.push(group)
    }
    group.places.set(place, (group.places.get(place) ?? 0) + 1)
  }
  return groups.map(({ places, outcome }) => `${describePlaces(places)}: ${outcome}`).join('; ')
}

function describePlaces(places: ReadonlyMap<string, number>): string {
  return Array.from(places, ([place, times]) => (times === 1 ? place : `${place} (${times} times)`)).join(
    ', ',
  )
}

/**
 * `connect ECONNREFUSED`, `503 in 4 ms`, `no headers in 250 ms`: an outcome for people.
 * @param upstream its address is part of the message already, and is left out here
 */
function describeOutcome(outcome: Outcome, upstream: string): string {
  switch (outcome.kind) {
    case 'response':
      return `${outcome.classified?.reason ?? outcome.status} in ${Math.round(outcome.latencyMs)} ms`
    case 'connect-error': {
      const reason = reasonAt(outcome.error, upstream)
      return reason.startsWith('connect ') ? reason : `connect: ${reason}`
    }
    case 'transport-error': {
      const reason = reasonAt(outcome.error, upstream)
      return `${outcome.sent ? 'broke off' : 'broke off before anything was processed'}: ${reason}`
    }
    case 'timeout':
      return `no ${outcome.phase === 'connect' ? 'connection' : outcome.phase} in ${Math.round(outcome.latencyMs)} ms`
    case 'queue-timeout':
      return `waited ${Math.round(outcome.waitedMs)} ms behind other calls of this client`
    case 'cancelled':
      return 'cancelled'
  }
}

/** Node ends the messages of connections with the address. */
function reasonAt(error: Error, upstream: string): string {
  return reasonOf(error).replace(` ${upstream}`, '')
}
