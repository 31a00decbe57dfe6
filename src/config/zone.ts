import { AWS_REGION, checkArray, checkString } from '../core/check/check.ts'
import { optionalSection } from '../core/check/section.ts'
import { checkCidr } from '../core/cidr.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import { DEFAULT_ZONE } from './defaults.ts'
import { checkServiceHost } from './hosts.ts'
import type { ZoneSettings } from '../dispatch/settings.ts'

/** Resolves the option `zone`. undefined: zones do not matter. */
export function zoneSettings(
  path: string,
  value: unknown,
  inherited: ZoneSettings | undefined,
  namespaces: readonly string[],
): ZoneSettings | undefined {
  return optionalSection(path, value, inherited, DEFAULT_ZONE, (zone) => ({
    own: zone.read('own', checkZone),
    subnets: zone.read('subnets', checkSubnets),
    peers: zone.read('peers', (at, host) => checkServiceHost(at, host, namespaces)),
  }))
}

function checkSubnets(path: string, value: unknown): ZoneSettings['subnets'] {
  return checkArray(path, value, 'an array of CIDRs, e.g. ["10.0.11.0/24"]', checkCidr)
}

/** `euw1-az1`, the zone id, is the same in all accounts; Cloud Map and ECS use zone names. */
const ZONE_ID = /^[a-z]+\d+-az\d+$/i
/** Zones in capitals, or with spaces around, are equal to no endpoint's. */
const AWS_ZONE = /^\s*[a-z]{2,}(-[a-z]+)+-\d+(-[a-z]+-\d+)?[a-z]\s*$/i

function checkZone(path: string, value: unknown): string {
  const allowed = 'the name of an availability zone, e.g. "eu-west-1b"'
  const zone = checkString(path, value, allowed)
  if (ZONE_ID.test(zone)) throw new InvalidOptionsError(path, value, `${allowed}; this is the id of one`)
  if (AWS_REGION.test(zone)) throw new InvalidOptionsError(path, value, `${allowed}; this is a region`)
  if (AWS_ZONE.test(zone) && zone !== zone.trim().toLowerCase())
    throw new InvalidOptionsError(path, value, `${allowed}, in lower case and without spaces`)
  return zone
}
