import { isIPv4, isIPv6 } from 'node:net'
import { AWS_REGION, checkKeys, checkText, keyPath } from '../../../core/check/check.ts'
import { InvalidOptionsError } from '../../../core/errors.ts'
import type { Task } from '../../metadata/task.ts'
import { ATTRIBUTE_VALUE, INSTANCE_ID } from '../cloud-map/limits.ts'

/** Where this process runs, for platforms without ECS task metadata: EKS, EC2, ECS Anywhere, bridge networks. */
export interface Place {
  /** Instance id in Cloud Map, unique for each process [`<address>-<port>`]. */
  readonly id?: string | undefined
  /** Address that callers reach it by; one of the two is needed. */
  readonly ipv4?: string | undefined
  /** The same, for IPv6. */
  readonly ipv6?: string | undefined
  /** Availability zone, e.g. `eu-west-1b` [none: callers do not prefer it]. */
  readonly zone?: string | undefined
  /** AWS region, e.g. `eu-west-1` [none]. */
  readonly region?: string | undefined
}

/** A task or a place, read once. Its port is that of `PORT`, as `self()` read it. */
export type KnownPlace = {
  readonly [Key in keyof Place | 'cluster' | 'family' | 'port']: Task[Key] | undefined
}

const PLACE_KEYS = ['id', 'ipv4', 'ipv6', 'zone', 'region']

/** @throws InvalidOptionsError */
export function readPlace(value: unknown): KnownPlace {
  if (isTask(value)) return placeOfTask(value)
  const { id, ipv4, ipv6, zone, region } = checkKeys('place', value, PLACE_KEYS, 'the task of self()')
  if (ipv4 === undefined && ipv6 === undefined)
    throw new InvalidOptionsError('place.ipv4', ipv4, 'an IPv4 address; or place.ipv6')
  return {
    id: optional('id', id, 'up to 64 of the characters 0-9 a-z A-Z _ / : . @ -', (text) =>
      INSTANCE_ID.test(text),
    ),
    ipv4: optional('ipv4', ipv4, 'an IPv4 address', isIPv4),
    ipv6: optional('ipv6', ipv6, 'an IPv6 address', isIPv6),
    zone: optional('zone', zone, 'an availability zone, e.g. "eu-west-1b"', isZone),
    region: optional('region', region, 'a region, e.g. "eu-west-1"', (text) => AWS_REGION.test(text)),
    cluster: undefined,
    family: undefined,
    port: undefined,
  }
}

/** The parts of a task that are registered. */
export function placeOfTask({ id, ipv4, ipv6, zone, region, cluster, family, port }: Task): KnownPlace {
  return { id, ipv4, ipv6, zone, region, cluster, family, port }
}

function isZone(text: string): boolean {
  return text.length <= 255 && ATTRIBUTE_VALUE.test(text)
}

function isTask(value: unknown): value is Task {
  return typeof value === 'object' && value !== null && 'arn' in value && 'containers' in value
}

function optional(
  key: string,
  value: unknown,
  allowed: string,
  isAllowed: (text: string) => boolean,
): string | undefined {
  return value === undefined ? undefined : checkText(keyPath('place', key), value, allowed, isAllowed)
}
