import { systemClock } from '../../core/clock.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import type { ApiAnswer } from './api-answer.ts'
import { compare } from './compare.ts'
import type { DnsAnswer } from './dns-answer.ts'
import { answerOf, type Look } from './lookup.ts'

/** How long a task is kept that samples do not name, as in the client's cache. */
const TTLS = 3

/**
 * Takes away what only seems to change: DNS that names 8 tasks at random each time, and a source that fails, whose last
 * answer stands until it answers again.
 * @returns gets the looks in their order
 */
export function steadied(): (look: Look) => Look {
  const seen = new Map<string, { readonly endpoint: Endpoint; readonly at: number }>()
  /** A caching resolver gives what is left of the TTL: the longest is the record's own. */
  let longestTtlMs = 0
  let dns: DnsAnswer | undefined
  let api: ApiAnswer | undefined

  const completed = (answer: DnsAnswer): DnsAnswer => {
    const now = systemClock.now()
    longestTtlMs = Math.max(longestTtlMs, answer.ttlMs)
    for (const endpoint of answer.endpoints)
      seen.set(`${endpoint.address} ${endpoint.port}`, { endpoint, at: now })
    for (const [place, { at }] of seen)
      if (!answer.isSample || now - at > TTLS * longestTtlMs) if (at !== now) seen.delete(place)
    return { ...answer, endpoints: Array.from(seen.values(), ({ endpoint }) => endpoint) }
  }

  return (look) => {
    const answer = answerOf(look.dns)
    if (answer !== undefined) dns = completed(answer)
    api = answerOf(look.api) ?? api
    return { ...look, rows: compare({ dns, api }) }
  }
}
