/** One look at a service: what each source says, what they say together, and what is wrong with that. */
import { currentDate, sleep, systemClock } from '../../core/clock.ts'
import { bareReason } from '../../discovery/bare-reason.ts'
import { checkHost, parseServiceName, type ServiceName } from '../../discovery/service-name.ts'
import type { CloudMapApi } from '../../discovery/cloud-map/api.ts'
import { namespacesOf, type DiscoveryValues, type LookValues } from '../options/client-flags.ts'
import { inCommandWords } from '../terminal/command-words.ts'
import { askApi, type ApiAnswer } from './api-answer.ts'
import { compare, isFinding, type Row } from './compare.ts'
import { preload } from './busy-start.ts'
import { askDns, type DnsAnswer } from './dns-answer.ts'

/** The AWS SDK keeps the process busy when it starts: that must not be shown as time that DNS took. */
const DNS_HEAD_START_MS = 200

/** A URL object would have the host in lower case, and the names of HTTP namespaces are case-sensitive. */
const HOST_OF_URL = /^(?:https?:\/\/)?(?<host>[^/?#@:\s]+)(?::\d+)?(?:[/?#].*)?$/i

/** What came of asking one source. */
export type Asked<Answer> =
  | { readonly state: 'answered'; readonly answer: Answer }
  | { readonly state: 'failed'; readonly reason: string; readonly error: Error }
  /** By `--discovery`, or because the host lies in no namespace. */
  | { readonly state: 'not-asked'; readonly reason: string }

/** A service at one moment, as both sources report it. */
export interface Look {
  readonly service: ServiceName
  /** ISO 8601 */
  readonly time: string
  readonly dns: Asked<DnsAnswer>
  readonly api: Asked<ApiAnswer>
  readonly rows: readonly Row[]
}

/**
 * @param given a host, or a URL with it
 * @throws InvalidOptionsError for a host or a namespace that is not a domain name
 */
export function serviceOf(given: string, options: DiscoveryValues): ServiceName {
  const host = HOST_OF_URL.exec(given)?.groups?.['host'] ?? given
  // Before the namespace, which is a part of it.
  checkHost('HOST', host)
  const namespaces = namespacesOf(host, options.namespace)
  for (const namespace of namespaces) checkHost('--namespace', namespace)
  return parseServiceName(host, namespaces)
}

/**
 * Asks the sources side by side.
 * @param api one that is kept for several looks [one for this look]
 * @throws the signal's reason as soon as it aborts
 */
export async function lookAt(
  service: ServiceName,
  options: LookValues,
  signal: AbortSignal,
  api?: CloudMapApi,
): Promise<Look> {
  const { discovery } = options
  const { host, namespace } = service
  await preload(discovery)
  const fromDns =
    discovery === 'api'
      ? notAsked('--discovery api')
      : asked(host, () => askDns(host, options, signal), signal)
  await Promise.race([fromDns, sleep(systemClock, DNS_HEAD_START_MS, signal)])
  const fromApi =
    discovery === 'dns'
      ? notAsked('--discovery dns')
      : namespace === undefined
        ? notAsked(`${host} lies in no namespace`)
        : asked(host, () => askApi(service, options, signal, api), signal)
  const [dns, answered] = await Promise.all([fromDns, fromApi])
  const rows = compare({ dns: answerOf(dns), api: answerOf(answered) })
  return { service, time: currentDate().toISOString(), dns, api: answered, rows }
}

/** Whether callers have a reason to worry: no endpoint that can be called, or a difference that they notice. */
export function hasFinding({ rows }: Look): boolean {
  return (
    rows.every(({ health }) => health === 'UNHEALTHY') || rows.some(({ difference }) => isFinding(difference))
  )
}

/** What a source answered; undefined where it did not. */
export function answerOf<Answer>(from: Asked<Answer>): Answer | undefined {
  return from.state === 'answered' ? from.answer : undefined
}

async function asked<Answer>(
  host: string,
  ask: () => Promise<Answer>,
  signal: AbortSignal,
): Promise<Asked<Answer>> {
  try {
    return { state: 'answered', answer: await ask() }
  } catch (error) {
    signal.throwIfAborted()
    // A wrong option is for the user to mend, and no answer of the source.
    if ((error as { code?: string }).code === 'ONEHOP_INVALID_OPTIONS') throw error
    return { state: 'failed', reason: inCommandWords(bareReason(host, error)), error: error as Error }
  }
}

const notAsked = (reason: string) => ({ state: 'not-asked', reason }) as const
