import { isDirect } from '../arms/arm.ts'
import { costOf, type Cost, type MeasuredCall } from '../cost/cost.ts'
import type { BenchSettings } from '../settings.ts'
import type { ArmReport } from './report.ts'

/** Zones have to be known of nearly all calls before their share says something. */
const MIN_KNOWN = 0.95

/** @param zone the caller's */
export function costReport(arms: readonly ArmReport[], settings: BenchSettings, zone: string | null): Cost {
  const direct = arms.find(({ way }) => isDirect(way))
  const balanced = arms.find(({ way }) => way === 'fallback') ?? arms.find(({ way }) => way === 'undici')
  const measured: MeasuredCall = {
    bytes: (direct ?? balanced)?.bytes.perCall ?? undefined,
    remoteShare: { dns: remoteShareOf('dns', arms, zone), api: remoteShareOf('api', arms, zone) },
    connectionsPerCall:
      balanced === undefined || balanced.calls === 0
        ? undefined
        : balanced.connections.opened / balanced.calls,
    activeConnections: balanced?.connections.peak,
    isTls: (settings.fallback ?? settings.url).protocol === 'https:',
  }
  return costOf(settings.volume, measured, settings.prices)
}

/** @returns undefined if the caller's zone or those of its tasks are not known */
function remoteShareOf(
  way: 'dns' | 'api',
  arms: readonly ArmReport[],
  zone: string | null,
): number | undefined {
  const { byZone = [] } = arms.find(({ name }) => name === way) ?? {}
  const known = byZone.reduce((sum, { share }) => sum + share, 0)
  if (zone === null || known < MIN_KNOWN) return undefined
  const local = byZone.find(({ name }) => name === zone)?.share ?? 0
  return (known - local) / known
}
