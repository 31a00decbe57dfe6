import { systemClock } from '../../core/clock.ts'
import { inTime } from '../../core/async/with-timeout.ts'
import { CloudMapApi } from '../../discovery/cloud-map/api.ts'
import { endpointsOf } from '../../discovery/cloud-map/endpoint.ts'
import { cloudMapError, CloudMapError } from '../../discovery/cloud-map/error.ts'
import { cloudMapSettings } from '../../discovery/cloud-map/options.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import type { ServiceName } from '../../discovery/service-name.ts'
import type { DiscoveryValues, LookValues } from '../options/client-flags.ts'
import { attentiveClock } from './busy-start.ts'

/** An endpoint with what Cloud Map knows of its health. */
export interface ApiEndpoint {
  readonly endpoint: Endpoint
  /** UNKNOWN: of a service without a health check. */
  readonly health: 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'
}

/** What the Cloud Map API says of a service. */
export interface ApiAnswer {
  /** All that are registered, the unhealthy ones too. */
  readonly endpoints: readonly ApiEndpoint[]
  /** Ids of instances without a usable address. */
  readonly unusable: readonly string[]
  /** `InstancesRevision` */
  readonly revision: number | undefined
  readonly tookMs: number
}

/**
 * Reads all instances of a service.
 * @param api one that is kept for several questions [one of its own, closed at the end]
 * @throws CloudMapError with its reason
 */
export async function askApi(
  service: ServiceName,
  options: LookValues,
  signal: AbortSignal,
  api?: CloudMapApi,
): Promise<ApiAnswer> {
  const { host, namespace } = service
  if (namespace === undefined)
    throw new CloudMapError(
      host,
      'unknown-name',
      'lies in no namespace, so the Cloud Map API cannot be asked',
    )
  const asked = api ?? apiOver(options)
  const limitMs = options.timeout
  const begun = systemClock.now()
  const late = (): Error =>
    new CloudMapError(host, 'outage', `the Cloud Map API gave no answer in ${limitMs} ms`)
  try {
    const input = {
      NamespaceName: namespace,
      ServiceName: service.service,
      HealthStatus: 'ALL',
      MaxResults: 1000,
    } as const
    const { Instances = [], InstancesRevision: revision } = await inTime(
      { clock: attentiveClock, limitMs, signal, late },
      (own) => asked.discoverInstances(host, input, own),
    )
    const read = Instances.map((instance) => ({
      id: instance.InstanceId ?? '',
      health: instance.HealthStatus ?? 'UNKNOWN',
      endpoint: endpointsOf(host, [instance], 'ipv4')[0],
    }))
    return {
      endpoints: read.flatMap(({ endpoint: found, health }) =>
        found === undefined ? [] : [{ endpoint: found, health }],
      ),
      revision,
      unusable: read.flatMap(({ endpoint: found, id }) => (found === undefined ? [id] : [])),
      tookMs: systemClock.now() - begun,
    }
  } catch (error) {
    signal.throwIfAborted()
    throw cloudMapError(service, 'DiscoverInstances', error)
  } finally {
    if (api === undefined) await asked.close()
  }
}

/** @throws InvalidOptionsError for a region or endpoint that is not allowed */
export function apiOver({ region, endpoint }: DiscoveryValues): CloudMapApi {
  return new CloudMapApi(cloudMapSettings({ region, endpoint }).sdkConfig)
}
