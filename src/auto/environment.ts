import { closest } from '../core/check/closest.ts'
import type { InstallOptions } from '../install/index.ts'
import { wrongValue } from './wrong-setting.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** What the variables say, checked as far as the library is not needed for it. */
export interface Environment {
  /** No variable names a service or a namespace, or a file that could. */
  readonly namesNothing: boolean
  /** The file of `ONEHOP_CONFIG`; undefined: none. */
  readonly config: string | undefined
  readonly namespaces: readonly string[]
  readonly discovery: 'auto' | 'dns' | 'api' | undefined
  readonly dnsServers: readonly string[]
  readonly fallbacks: Fallbacks
  readonly install: InstallOptions
}

/** The load balancers. */
export interface Fallbacks {
  /** Of all services; undefined: none. */
  readonly ofAll: string | undefined
  /** By host name. */
  readonly byHost: ReadonlyMap<string, string>
}

const PREFIX = 'ONEHOP_'
/** Those of onehop/auto, and that of onehop/ecs. */
const KNOWN: ReadonlySet<string> = new Set([
  ...['NAMESPACES', 'FALLBACKS', 'DISCOVERY', 'DNS_SERVERS', 'CONFIG'],
  ...['INTERCEPT', 'DISABLED', 'ON_ERROR', 'STOP_TIMEOUT_S'],
])

/**
 * Comes before all other variables: a wrong one must not keep a process from starting without onehop.
 * @throws WrongSetting
 */
export function isDisabled(variables: Variables): boolean {
  const word = oneOf(variables, 'ONEHOP_DISABLED', ['true', 'false', '1', '0'])
  return word === 'true' || word === '1'
}

/** @throws WrongSetting for the first variable that has a value that is not allowed */
export function readEnvironment(variables: Variables): Environment {
  oneOf(variables, 'ONEHOP_ON_ERROR', ['stop', 'continue'])
  const config = text(variables, 'ONEHOP_CONFIG')
  const namespaces = list(variables, 'ONEHOP_NAMESPACES')
  const fallbacks = fallbacksOf(variables)
  return {
    namesNothing: config === undefined && namespaces.length === 0 && fallbacks.byHost.size === 0,
    config,
    namespaces,
    discovery: oneOf(variables, 'ONEHOP_DISCOVERY', ['auto', 'dns', 'api']),
    dnsServers: list(variables, 'ONEHOP_DNS_SERVERS'),
    fallbacks,
    install: interceptOf(variables),
  }
}

/** A sentence for each variable with our prefix that nothing reads: it is probably mistyped. */
export function unknownVariables(variables: Variables): readonly string[] {
  return Object.keys(variables)
    .filter((name) => name.startsWith(PREFIX) && !KNOWN.has(name.slice(PREFIX.length)))
    .map((name) => {
      const meant = closest(name.slice(PREFIX.length), [...KNOWN])
      return `there is no variable ${name}${meant === undefined ? '' : `; did you mean ${PREFIX}${meant}?`}`
    })
}

/** An empty variable is one that is not set: task definitions cannot remove a variable of the image. */
function text(variables: Variables, name: string): string | undefined {
  const given = variables[name]?.trim()
  return given === '' ? undefined : given
}

function list(variables: Variables, name: string): readonly string[] {
  const parts = (text(variables, name) ?? '').split(',').map((part) => part.trim())
  return parts.filter((part) => part !== '')
}

function oneOf<Word extends string>(
  variables: Variables,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const given = text(variables, name)
  if (given === undefined) return undefined
  const word = words.find((one) => one === given)
  if (word === undefined) throw wrongValue(name, given, words.join(', '))
  return word
}

/** Options that are undefined are left to the file. */
function interceptOf(variables: Variables): InstallOptions {
  const name = 'ONEHOP_INTERCEPT'
  const ways = list(variables, name)
  if (ways.length === 0) return {}
  if (ways.length === 1 && ways[0] === 'none') return { fetch: true, http: true, mode: 'observe' }
  for (const way of ways)
    if (way !== 'fetch' && way !== 'http')
      throw wrongValue(name, ways.join(','), 'fetch, http or fetch,http; or none')
  return { fetch: ways.includes('fetch'), http: ways.includes('http'), mode: 'route' }
}

function fallbacksOf(variables: Variables): Fallbacks {
  const name = 'ONEHOP_FALLBACKS'
  const byHost = new Map<string, string>()
  let ofAll: string | undefined
  for (const entry of list(variables, name)) {
    const isUrl = /^https?:\/\//.test(entry)
    const split = isUrl ? -1 : entry.indexOf('=')
    const host = entry.slice(0, Math.max(0, split)).trim()
    const url = originOf(entry.slice(split + 1).trim())
    if (url === undefined || (!isUrl && host === ''))
      throw wrongValue(
        name,
        entry,
        'HOST=URL, with commas between several; of the URL scheme (http or https), host and port, e.g. ' +
          'orders.shop.local=http://internal-orders-1.eu-west-1.elb.amazonaws.com; a URL alone is for all services',
      )
    if (isUrl ? ofAll !== undefined : byHost.has(host)) throw wrongValue(name, entry, 'one URL for each host')
    if (isUrl) ofAll = url
    else byHost.set(host, url)
  }
  return { ofAll, byHost }
}

/** undefined: not a URL of scheme, host and port alone. */
function originOf(given: string): string | undefined {
  const url = /^https?:\/\//.test(given) ? URL.parse(given) : null
  return url !== null && url.href === `${url.origin}/` ? url.origin : undefined
}
