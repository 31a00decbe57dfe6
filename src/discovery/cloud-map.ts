import type {
  DiscoverInstancesCommandInput,
  ServiceDiscoveryClientConfig,
} from '@aws-sdk/client-servicediscovery'
import { checkKeys, checkMs, checkRecord, checkString, given, keyPath } from '../core/check.ts'
import { systemClock, systemRandom, type Clock, type Random } from '../core/clock.ts'
import { ClosedError, InvalidOptionsError } from '../core/errors.ts'
import { CloudMapApi } from './cloud-map-api.ts'
import { endpointsOf } from './cloud-map-endpoint.ts'
import { CloudMapError, discoverInstancesError } from './cloud-map-error.ts'
import type { Snapshot } from './endpoint.ts'
import { inTime } from './in-time.ts'
import type { Resolver } from './resolver.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface CloudMapOptions {
  /** [What the AWS SDK finds: `AWS_REGION`, which ECS sets, or the profile.] */
  readonly region?: string
  /** URL of another Cloud Map API, for tests [that of AWS]. */
  readonly endpoint?: string | URL
  /** [What the AWS SDK finds: the task role, environment, profile.] */
  readonly credentials?: AwsCredentials | (() => Promise<AwsCredentials>)
  /** How often a name in use is asked for, +- 10 % [5000]. */
  readonly revisionMs?: number
  /** Only instances with these attributes. */
  readonly queryParameters?: Readonly<Record<string, string>>
  /** Instances with these attributes if there are any, else all. */
  readonly optionalParameters?: Readonly<Record<string, string>>
  /** Twelve digits: the account of a namespace that is shared with this one. */
  readonly ownerAccount?: string
}

interface Injected {
  readonly clock?: Clock
  readonly random?: Random
}

/** The most that DiscoverInstances gives, and there are no further pages. Its own default is 100. */
const MOST_INSTANCES = 1000
const JITTER_RATIO = 0.1

/**
 * The API is fast or broken; calls wait for it, so one retry and no more. No `connectionTimeout`: its timer
 * outlives a refused connection, and keeps the process alive; `requestTimeout` counts connecting too.
 */
const SDK_LIMITS = {
  maxAttempts: 2,
  requestHandler: { requestTimeout: 3000, throwOnRequestTimeout: true },
} satisfies ServiceDiscoveryClientConfig

/** Over all: credentials, both attempts, and the wait in between. */
const LOOKUP_LIMIT_MS = 10_000

/**
 * Finds endpoints by the Cloud Map API (`DiscoverInstances`): with zones, ports and weights, fresh within
 * seconds, and also for namespaces without DNS. Needs the IAM action `servicediscovery:DiscoverInstances`.
 *
 * Asks for healthy instances, or all when none is (`HEALTHY_OR_ELSE_ALL`), as Cloud Map's DNS does. Instances
 * without a usable address are left out and told by `onehop:endpoint.refused`. The AWS SDK is loaded with the
 * first lookup.
 *
 * @throws InvalidOptionsError for options that are unknown or not allowed
 */
export function cloudMapResolver(options: CloudMapOptions & Injected = {}): Resolver {
  const { clock = systemClock, random = systemRandom } = options
  const { sdkConfig, request, revisionMs } = cloudMapSettings(options)
  const api = new CloudMapApi(sdkConfig)
  return {
    async resolve(service, signal): Promise<Snapshot> {
      const { host, namespace } = service
      if (namespace === undefined)
        throw new CloudMapError(
          host,
          'unknown-name',
          'lies in none of the namespaces, so the Cloud Map API cannot be asked',
        )
      const late = (): Error =>
        new CloudMapError(host, 'outage', `the Cloud Map API gave no answer in ${LOOKUP_LIMIT_MS} ms`)
      const input = { ...request, NamespaceName: namespace, ServiceName: service.service }
      try {
        const { Instances = [], InstancesRevision } = await inTime(
          { clock, limitMs: LOOKUP_LIMIT_MS, signal, late },
          (own) => api.discoverInstances(host, input, own),
        )
        const jitter = 1 + JITTER_RATIO * (2 * random.next() - 1)
        return {
          service,
          endpoints: endpointsOf(host, Instances),
          complete: Instances.length < MOST_INSTANCES,
          expiresAt: clock.now() + revisionMs * jitter,
          source: 'cloud-map',
          revision: InstancesRevision,
        }
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof ClosedError) throw error
        throw discoverInstancesError(service, error)
      }
    },
    close: () => api.close(),
  }
}

const OPTIONS = [
  'region',
  'endpoint',
  'credentials',
  'revisionMs',
  'queryParameters',
  'optionalParameters',
  'ownerAccount',
  'clock',
  'random',
]

interface CloudMapSettings {
  readonly sdkConfig: ServiceDiscoveryClientConfig
  readonly request: Omit<DiscoverInstancesCommandInput, 'NamespaceName' | 'ServiceName'>
  readonly revisionMs: number
}

function cloudMapSettings(options: CloudMapOptions & Injected): CloudMapSettings {
  const { region, endpoint, credentials, revisionMs, queryParameters, optionalParameters, ownerAccount } =
    checkKeys('cloudMap', options, OPTIONS)
  return {
    sdkConfig: {
      ...SDK_LIMITS,
      ...(region !== undefined && { region: checkString('cloudMap.region', region, 'a region') }),
      // The SDK would put "data-" before the host of DiscoverInstances, which a server of one's own has not.
      ...(endpoint !== undefined && { endpoint: checkUrl(endpoint), disableHostPrefix: true }),
      ...(credentials !== undefined && { credentials: checkCredentials(credentials) }),
    },
    request: {
      MaxResults: MOST_INSTANCES,
      HealthStatus: 'HEALTHY_OR_ELSE_ALL',
      ...(queryParameters !== undefined && {
        QueryParameters: checkStrings('cloudMap.queryParameters', queryParameters),
      }),
      ...(optionalParameters !== undefined && {
        OptionalParameters: checkStrings('cloudMap.optionalParameters', optionalParameters),
      }),
      ...(ownerAccount !== undefined && { OwnerAccount: checkAccount(ownerAccount) }),
    },
    revisionMs: given('cloudMap.revisionMs', revisionMs, 5000, (path, value) => checkMs(path, value, 1)),
  }
}

function checkUrl(value: unknown): string {
  const text = value instanceof URL ? value.href : value
  const url = typeof text === 'string' ? URL.parse(text) : null
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new InvalidOptionsError('cloudMap.endpoint', value, 'an http or https URL')
  return url.href
}

function checkCredentials(value: unknown): AwsCredentials | (() => Promise<AwsCredentials>) {
  if (typeof value === 'function') return value as () => Promise<AwsCredentials>
  const path = 'cloudMap.credentials'
  const { accessKeyId, secretAccessKey } = checkRecord(path, value)
  checkString(keyPath(path, 'accessKeyId'), accessKeyId)
  // Not checkString: an error message must not show a secret.
  if (typeof secretAccessKey !== 'string' || secretAccessKey === '')
    throw new InvalidOptionsError(
      keyPath(path, 'secretAccessKey'),
      typeof secretAccessKey,
      'a non-empty string',
    )
  return value as AwsCredentials
}

function checkStrings(path: string, value: unknown): Record<string, string> {
  const entries = Object.entries(checkRecord(path, value))
  return Object.fromEntries(entries.map(([key, text]) => [key, checkString(keyPath(path, key), text)]))
}

function checkAccount(value: unknown): string {
  const path = 'cloudMap.ownerAccount'
  const allowed = 'an account id of twelve digits, as a string'
  const account = checkString(path, value, allowed)
  if (!/^\d{12}$/.test(account)) throw new InvalidOptionsError(path, value, allowed)
  return account
}
