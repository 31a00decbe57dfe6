import { checkArray, checkKeys, checkString, given, keyPath } from './core/check.ts'
import { checkCidr } from './core/cidr.ts'
import { InvalidOptionsError } from './core/errors.ts'
import { checkHost } from './discovery/service-name.ts'
import type { ZoneSettings } from './options.ts'

/** @returns undefined where zones do not matter */
export function zoneSettings(
  path: string,
  value: unknown,
  defaults: ZoneSettings | undefined,
): ZoneSettings | undefined {
  if (value === undefined) return defaults
  if (value === false) return undefined
  const { own, subnets, peers } = checkKeys(path, value, ['own', 'subnets', 'peers'])
  return {
    zone: given(keyPath(path, 'own'), own, defaults?.zone, checkZone),
    subnets: given(keyPath(path, 'subnets'), subnets, defaults?.subnets, (at, cidrs) =>
      checkArray(at, cidrs, 'an array of CIDRs, e.g. ["10.0.11.0/24"]', checkCidr),
    ),
    peers: given(keyPath(path, 'peers'), peers, defaults?.peers, checkHost),
  }
}

/** `euw1-az1`, which is what subnets are told by, is the same in all accounts; Cloud Map and ECS tell names. */
const ZONE_ID = /^[a-z]+\d+-az\d+$/

function checkZone(path: string, value: unknown): string {
  const allowed = 'the name of an availability zone, e.g. "eu-west-1b"'
  const zone = checkString(path, value, allowed)
  if (ZONE_ID.test(zone)) throw new InvalidOptionsError(path, value, `${allowed}; this is the id of one`)
  return zone
}
