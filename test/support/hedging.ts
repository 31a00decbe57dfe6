import type { Client, HedgingInspection } from 'onehop'
import type { ManualClock } from 'onehop/testing'
import { ORIGIN } from './clients.ts'

/** Enough for the client to know how long calls take, and a multiple of one, two and three tasks: the first is next. */
const CALLS = 120
/** The delay of hedges is computed this often. */
const UPDATE_EVERY_MS = 250

export function hedgingOf(client: Client): HedgingInspection | undefined {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.hedging
}

/**
 * Calls until the client hedges. Its clock stands still meanwhile: no call is slow before the test moves time on.
 * @param clock the client's
 * @returns the ms after which a call is slow
 */
export async function learnHedging(
  client: Client,
  clock: ManualClock,
  call: () => Promise<unknown> = async () => (await client.request(ORIGIN)).body.dump(),
): Promise<number> {
  for (let count = 0; count < CALLS; count++) await call()
  await clock.advance(UPDATE_EVERY_MS)
  const delayMs = hedgingOf(client)?.delayMs
  if (delayMs === undefined) throw new Error(`after ${CALLS} calls it does not hedge`)
  return delayMs
}
