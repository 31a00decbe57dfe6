import type { ConnectionOptions } from 'node:tls'
import type { Dispatcher } from 'undici'
import type { Client, ClientOptions } from '../../index.ts'
import type { Target } from '../load/open-loop.ts'
import type { ConnectionMeter } from './connection-meter.ts'

/** Ways to the same service. */
export type Way =
  /** To its tasks, found by DNS. */
  | 'dns'
  /** To its tasks, found by the Cloud Map API. */
  | 'api'
  /** Through the load balancer, by a client of onehop. */
  | 'fallback'
  /** Through the load balancer, by undici alone. */
  | 'undici'

export const WAYS: readonly Way[] = ['dns', 'api', 'fallback', 'undici']

/** `control` is a second copy of another arm: the two must not differ. */
export type ArmName = Way | 'control'

const WAY_LABELS: Readonly<Record<Way, string>> = {
  dns: 'direct (DNS)',
  api: 'direct (API)',
  fallback: 'load balancer',
  undici: 'undici alone',
}

/** As reports name an arm. `onehop bench` and assertions use the names. */
export function labelOf(name: ArmName, way: Way): string {
  return name === 'control' ? `${WAY_LABELS[way]}, copy` : WAY_LABELS[way]
}

/** One way, with a client and connections of its own. */
export interface Arm {
  readonly name: ArmName
  readonly way: Way
  readonly target: Target
  readonly meter: ConnectionMeter
  /** undefined for undici alone. */
  readonly client: Client | undefined
  close(): Promise<void>
}

/** What all arms have in common. */
export interface ArmOptions {
  /** The service as its callers write it. */
  readonly url: URL
  /** The load balancer; undefined: undici alone calls `url`. */
  readonly fallback: URL | undefined
  readonly request: Pick<Dispatcher.DispatchOptions, 'method' | 'headers' | 'body'>
  /** Discovery, zone and so on, as the service's own client has them. */
  readonly client: ClientOptions
  readonly tls: Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized'>
  readonly allowH2: boolean
}

export function isDirect(way: Way): boolean {
  return way === 'dns' || way === 'api'
}
