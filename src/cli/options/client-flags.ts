/** Options that several commands share. They have the names of `createClient`'s, and the variables of `onehop/auto`. */
import type { ClientOptions } from '../../index.ts'
import {
  commaList,
  flag,
  number,
  oneOf,
  text,
  UsageError,
  wrongValue,
  type Option,
  type OptionsFor,
} from './option.ts'

/** Where endpoints come from. */
export interface DiscoveryValues {
  readonly namespace: readonly string[]
  readonly discovery: 'auto' | 'dns' | 'api'
  readonly 'dns-server': readonly string[]
  readonly region: string | undefined
  readonly endpoint: string | undefined
}

/** How both sources are asked. */
export interface LookValues extends DiscoveryValues {
  /** For each question, in ms. */
  readonly timeout: number
}

/** How a service is called. */
export interface CallValues {
  readonly fallback: readonly string[]
  readonly port: number | undefined
  readonly ca: string | undefined
  readonly 'allow-loopback': boolean
}

export const discoveryFlags: OptionsFor<DiscoveryValues> = {
  namespace: commaList('NAME', "Cloud Map namespace [the host's name after its first dot]", {
    variable: 'ONEHOP_NAMESPACES',
  }),
  discovery: oneOf(['auto', 'dns', 'api'], 'HOW', 'auto, dns or api [auto]', {
    default: 'auto',
    variable: 'ONEHOP_DISCOVERY',
  }),
  'dns-server': commaList('ADDRESS', "e.g. 10.0.0.2 or 127.0.0.1:5353 [the machine's]", {
    variable: 'ONEHOP_DNS_SERVERS',
  }),
  region: text('REGION', 'AWS region of the Cloud Map API', { variable: 'AWS_REGION' }),
  endpoint: text('URL', "URL of another Cloud Map API [AWS's]", {
    variable: 'AWS_ENDPOINT_URL_SERVICEDISCOVERY',
  }),
}

export const callFlags: OptionsFor<CallValues> = {
  fallback: commaList('URL', 'URL of the ALB or NLB, or HOST=URL [none]', { variable: 'ONEHOP_FALLBACKS' }),
  port: number('PORT', 'port of the tasks where neither the URL nor discovery has one', {
    min: 1,
    max: 65_535,
  }),
  ca: text('FILE', "PEM of the CA that signed the tasks' certificates, beside Node's own"),
  'allow-loopback': flag('connect to loopback addresses that discovery names (for tests)'),
}

/** `--json` of all commands. */
export const json: Option<boolean> = flag('JSON on stdout')

/** `--timeout` of commands that look something up. */
export const timeout: Option<number> = number('MS', 'for each question to DNS and the API [5000]', {
  default: 5_000,
  min: 1,
  max: 600_000,
})

/** A client for calls to `host`, as `createClient` takes it. */
export function clientOptions(host: string, options: DiscoveryValues & CallValues): ClientOptions {
  const { namespace, discovery, region, endpoint, fallback, port } = options
  const servers = options['dns-server']
  const ca = caOf(options)
  return {
    namespaces: namespacesOf(host, namespace),
    discovery,
    ...(servers.length > 0 && { dns: { servers } }),
    cloudMap: { region, endpoint },
    fallback: fallbackOf(host, fallback),
    port,
    allowLoopback: options['allow-loopback'],
    ...(ca !== undefined && { pool: { connect: { ca } } }),
  }
}

/**
 * The CA of `--ca` beside Node's own, which the certificate of a load balancer is usually of; undefined: Node's own.
 * @throws UsageError if the file cannot be read
 */
export function caOf({ ca }: Pick<CallValues, 'ca'>): string | undefined {
  if (ca === undefined) return undefined
  try {
    const own = process.getBuiltinModule('node:fs').readFileSync(ca, 'utf8')
    return [...process.getBuiltinModule('node:tls').rootCertificates, own].join('\n')
  } catch (error) {
    throw new UsageError(`--ca: cannot read "${ca}": ${(error as Error).message}`)
  }
}

/** What was given, or all behind the first dot: `orders.shop.local` lies in `shop.local`. */
export function namespacesOf(host: string, given: readonly string[]): readonly string[] {
  if (given.length > 0) return given
  const dot = host.indexOf('.')
  return dot === -1 ? [] : [host.slice(dot + 1)]
}

/**
 * The load balancer of `host`.
 * @param given URLs, or `HOST=URL`; the first that fits counts
 * @throws UsageError for another form
 */
export function fallbackOf(host: string, given: readonly string[]): URL | undefined {
  for (const entry of given) {
    if (/^https?:\/\//.test(entry)) return fallbackUrl(entry, entry)
    const [name, ...rest] = entry.split('=')
    const url = fallbackUrl(rest.join('='), entry)
    if (name?.toLowerCase() === host.toLowerCase()) return url
  }
  return undefined
}

function fallbackUrl(written: string, entry: string): URL {
  const url = /^https?:\/\//.test(written) ? URL.parse(written) : null
  // The path is that of each call.
  if (url === null || url.href !== `${url.origin}/`)
    throw wrongValue('--fallback', entry, 'an http or https URL of scheme, host and port, or HOST=URL')
  return url
}
