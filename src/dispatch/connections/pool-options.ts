/** What undici's options for a pool mean for the attempts that use it. */
import type { Pool } from 'undici'
import { wantsH2c } from './connector.ts'
import { Slots } from './slots.ts'

/** undici's default for `h2Options.maxConcurrentStreams`. */
const DEFAULT_STREAMS = 100

/** Whether connections may speak HTTP/2. Off by default, unlike in undici. */
export function mayBeHttp2(pool: Pool.Options): boolean {
  return pool.allowH2 === true || wantsH2c(pool)
}

/** Whether attempts may have to wait for connections that others use. */
export function mayQueue(pool: Pool.Options): boolean {
  return (pool.connections ?? null) !== null || mayBeHttp2(pool) || (pool.pipelining ?? 1) > 1
}

/** undefined if each attempt gets a connection of its own. */
export function slotsFor(pool: Pool.Options, asksForHttp2: boolean): Slots | undefined {
  if (!mayQueue(pool)) return undefined
  const { pipelining, h2Options } = pool
  // undici reads the older option, too.
  const streams = h2Options?.maxConcurrentStreams ?? pool.maxConcurrentStreams ?? DEFAULT_STREAMS
  const perConnection = mayBeHttp2(pool) ? streams : Math.max(1, pipelining ?? 1)
  return new Slots(pool.connections ?? Number.POSITIVE_INFINITY, perConnection, asksForHttp2)
}

/** What attempts in the queue wait for, and the option that sets it. */
export function shortageOf(pool: Pool.Options): string {
  const { connections, pipelining } = pool
  if (mayBeHttp2(pool))
    return 'no stream was free on its HTTP/2 connections (pool.h2Options, pool.connections)'
  if ((pipelining ?? 1) > 1) return 'earlier requests on its connections were not answered (pool.pipelining)'
  return `no connection was free of the ${connections} that pool.connections allows`
}
