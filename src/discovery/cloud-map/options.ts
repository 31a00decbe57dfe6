import type {
  DiscoverInstancesCommandInput,
  ServiceDiscoveryClientConfig,
} from '@aws-sdk/client-servicediscovery'
import {
  AWS_REGION,
  checkKeys,
  checkOneOf,
  checkRecord,
  checkString,
  given,
  keyPath,
  msFrom,
  numberIn,
} from '../../core/check/check.ts'
import { InvalidOptionsError } from '../../core/errors.ts'

/** Credentials as the AWS SDK has them. */
export interface AwsCredentials {
  /** Access key id. */
  readonly accessKeyId: string
  /** Secret access key. */
  readonly secretAccessKey: string
  /** Session token of temporary credentials [none]. */
  readonly sessionToken?: string | undefined
  /** When a function that gives them is asked again [when AWS says that they have expired]. */
  readonly expiration?: Date | undefined
}

/** Discovery by the Cloud Map API. Defaults in brackets. */
export interface CloudMapOptions {
  /** [What the AWS SDK finds: `AWS_REGION`, which ECS sets, or the profile.] */
  readonly region?: string | undefined
  /** URL of another Cloud Map API, for tests [that of AWS]. */
  readonly endpoint?: string | URL | undefined
  /** [What the AWS SDK finds: the task role, environment, profile.] */
  readonly credentials?: AwsCredentials | (() => Promise<AwsCredentials>) | undefined
  /**
   * How often it is asked whether the instances of a name in use are others, +- 10 % [5000; `auto`: only after changes,
   * or every 5 to 60 s for names that DNS does not know].
   */
  readonly revisionMs?: number | undefined
  /**
   * How often they are read although they are not, because their health may be another [30000; `auto`: 300000 +- 10 %
   * for names that DNS knows].
   */
  readonly fullReadMs?: number | undefined
  /** What a million calls of the API cost, for `inspect()`; in any currency [1, in US dollars]. */
  readonly pricePerMillion?: number | undefined
  /** Only instances with these attributes. */
  readonly queryParameters?: Readonly<Record<string, string>> | undefined
  /** Instances with these attributes if there are any, else all. */
  readonly optionalParameters?: Readonly<Record<string, string>> | undefined
  /** Which address of instances that have both [`ipv4`]; of those that have one it is that one. */
  readonly family?: 'ipv4' | 'ipv6' | undefined
  /** Twelve digits: the account of a namespace that is shared with this one. */
  readonly ownerAccount?: string | undefined
}

/** The most that DiscoverInstances gives, and there are no further pages. Its own default is 100. */
export const MAX_INSTANCES = 1000

/** The API is fast or broken; calls wait for it, so one retry and no more. */
const SDK_LIMITS = { maxAttempts: 2 } satisfies ServiceDiscoveryClientConfig

const OPTIONS = [
  'region',
  'endpoint',
  'credentials',
  'revisionMs',
  'fullReadMs',
  'pricePerMillion',
  'queryParameters',
  'optionalParameters',
  'family',
  'ownerAccount',
]

export interface CloudMapSettings {
  readonly sdkConfig: ServiceDiscoveryClientConfig
  /** Part of every call. */
  readonly common: Pick<DiscoverInstancesCommandInput, 'OwnerAccount'>
  /** Also part of every `DiscoverInstances`. */
  readonly request: Omit<DiscoverInstancesCommandInput, 'NamespaceName' | 'ServiceName' | 'OwnerAccount'>
  /** undefined: as the resolver sees fit. */
  readonly revisionMs: number | undefined
  readonly fullReadMs: number | undefined
  readonly pricePerMillion: number
  readonly family: 'ipv4' | 'ipv6'
}

/** AWS's price list, 2026: $1 for a million calls of DiscoverInstances. */
const PRICE_PER_MILLION = 1

/** @throws InvalidOptionsError for the first option that is unknown or not allowed */
export function cloudMapSettings(options: CloudMapOptions): CloudMapSettings {
  const written = checkKeys('cloudMap', options, OPTIONS)
  const { queryParameters, optionalParameters, ownerAccount } = written
  const { revisionMs, fullReadMs, pricePerMillion, family } = written
  return {
    sdkConfig: { ...SDK_LIMITS, ...connectionConfig(written) },
    request: {
      MaxResults: MAX_INSTANCES,
      HealthStatus: 'HEALTHY_OR_ELSE_ALL',
      QueryParameters: given('cloudMap.queryParameters', queryParameters, undefined, checkStrings),
      OptionalParameters: given('cloudMap.optionalParameters', optionalParameters, undefined, checkStrings),
    },
    common: { OwnerAccount: given('cloudMap.ownerAccount', ownerAccount, undefined, checkAccount) },
    revisionMs: given('cloudMap.revisionMs', revisionMs, undefined, msFrom(1)),
    fullReadMs: given('cloudMap.fullReadMs', fullReadMs, undefined, msFrom(1)),
    pricePerMillion: given(
      'cloudMap.pricePerMillion',
      pricePerMillion,
      PRICE_PER_MILLION,
      numberIn({ min: 0 }),
    ),
    family: given<CloudMapSettings['family']>('cloudMap.family', family, 'ipv4', (path, value) =>
      checkOneOf(path, value, ['ipv4', 'ipv6']),
    ),
  }
}

/**
 * `cloudMap.region`, `.endpoint` and `.credentials` as the SDK has them.
 * @throws InvalidOptionsError for the first that is not allowed
 */
export function connectionConfig({
  region,
  endpoint,
  credentials,
}: Readonly<Record<string, unknown>>): ServiceDiscoveryClientConfig {
  return {
    ...(region !== undefined && { region: checkRegion(region, endpoint !== undefined) }),
    // The SDK would put "data-" before the host of DiscoverInstances, which a server of one's own has not.
    ...(endpoint !== undefined && { endpoint: checkUrl(endpoint), disableHostPrefix: true }),
    ...(credentials !== undefined && { credentials: checkCredentials(credentials) }),
  }
}

/** @param isElsewhere whether it is the region of a server of one's own, which may be called anything */
function checkRegion(value: unknown, isElsewhere: boolean): string {
  const path = 'cloudMap.region'
  const allowed = 'a region, e.g. "eu-west-1"'
  const region = checkString(path, value, allowed)
  const pattern = isElsewhere ? /^[a-z\d-]+$/ : AWS_REGION
  if (!pattern.test(region)) throw new InvalidOptionsError(path, value, allowed)
  return region
}

function checkUrl(value: unknown): string {
  const text = value instanceof URL ? value.href : value
  const url = typeof text === 'string' ? URL.parse(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new InvalidOptionsError('cloudMap.endpoint', value, 'an http or https URL without credentials')
  return url.href
}

type SdkCredentials = NonNullable<ServiceDiscoveryClientConfig['credentials']>

/** The last three are what the SDK's own providers give beside. */
const CREDENTIAL_KEYS = [
  ...['accessKeyId', 'secretAccessKey', 'sessionToken', 'expiration'],
  ...['credentialScope', 'accountId', '$source'],
]

function checkCredentials(value: unknown): SdkCredentials {
  if (typeof value === 'function') return value as SdkCredentials
  const path = 'cloudMap.credentials'
  const besides = 'a function that gives them'
  const { accessKeyId, secretAccessKey, sessionToken } = checkKeys(path, value, CREDENTIAL_KEYS, besides)
  checkString(keyPath(path, 'accessKeyId'), accessKeyId)
  checkString(keyPath(path, 'secretAccessKey'), secretAccessKey)
  if (sessionToken !== undefined) checkString(keyPath(path, 'sessionToken'), sessionToken)
  return value as SdkCredentials
}

function checkStrings(path: string, value: unknown): Record<string, string> {
  const entries = Object.entries(checkRecord(path, value))
  return Object.fromEntries(entries.map(([key, text]) => [key, checkString(keyPath(path, key), text)]))
}

function checkAccount(path: string, value: unknown): string {
  const allowed = 'an account id of twelve digits, as a string'
  const account = checkString(path, value, allowed)
  if (!/^\d{12}$/.test(account)) throw new InvalidOptionsError(path, value, allowed)
  return account
}
