/** What checks share: who asks, about what, and the answers that several of them need, each asked for once. */
import { NotOnEcsError, self, type Task } from '../../ecs/index.ts'
import { urlPort } from '../../core/url-port.ts'
import { addressGuard } from '../../discovery/guard/address-guard.ts'
import type { CloudMapApi } from '../../discovery/cloud-map/api.ts'
import type { ServiceName } from '../../discovery/service-name.ts'
import { apiOver } from '../endpoints/api-answer.ts'
import type { Row } from '../endpoints/compare.ts'
import { attentiveClock } from '../endpoints/busy-start.ts'
import { lookAt, serviceOf, type Look } from '../endpoints/lookup.ts'
import { caOf, fallbackOf, type CallValues, type LookValues } from '../options/client-flags.ts'
import type { Io } from '../terminal/io.ts'
import { wrongValue } from '../options/option.ts'
import { hasAddress } from '../options/request-parts.ts'
import { defaultPort, probe, type Probe } from './probe.ts'

/** The options of `doctor`. */
export interface DoctorValues extends LookValues, CallValues {
  readonly json: boolean
}

/** What checks of the process know. */
export interface ProcessContext {
  readonly options: DoctorValues
  readonly env: Io['env']
  readonly signal: AbortSignal
  /** The task that this is, if it is one. */
  readonly task: () => Promise<KnownTask>
}

/** What the task metadata endpoint says. */
export type KnownTask =
  | { readonly state: 'known'; readonly task: Task }
  | { readonly state: 'not-on-ecs' }
  | { readonly state: 'failed'; readonly error: Error }

/** What is examined: a service as it is called. */
export interface Target {
  readonly host: string
  readonly isTls: boolean
  /** Of the URL. */
  readonly port: number | undefined
  readonly path: string
  /** The load balancer, if there is one. */
  readonly fallback: URL | undefined
}

/** What checks of a service know. */
export interface HostContext extends ProcessContext {
  readonly target: Target
  readonly service: ServiceName
  /** One client of the API for all checks. */
  readonly api: CloudMapApi
  /** DNS and the API, side by side. */
  readonly look: () => Promise<Look>
  /** The tasks that a client would call, each connected to. */
  readonly probes: () => Promise<readonly TaskProbe[]>
  /** The load balancer, connected to; undefined where there is none. */
  readonly fallbackProbe: () => Promise<Probe | undefined>
}

/** One task, and what connecting to it came to. */
export interface TaskProbe {
  readonly row: Row
  readonly port: number
  readonly probe: Probe
}

export function processContext(options: DoctorValues, io: Io): ProcessContext {
  return { options, env: io.env, signal: io.signal, task: once(() => findTask(options, io)) }
}

/** @throws UsageError, InvalidOptionsError for a host or option that is not allowed */
export function hostContext(text: string, context: ProcessContext): HostContext {
  const { options, signal } = context
  const target = targetOf(text, options)
  const service = serviceOf(target.host, options)
  const ca = caOf(options)
  const how = { path: target.path, ca, timeoutMs: options.timeout, signal }
  const api = apiOver(options)
  const look = once(() => lookAt(service, options, signal, api))
  const probes = once(async () => {
    const { rows } = await look()
    return Promise.all(
      callable(rows, options).map(async (row): Promise<TaskProbe> => {
        const { host, isTls } = target
        // In a client's order: the URL, the option, the registration, the scheme.
        const port = target.port ?? options.port ?? row.port ?? defaultPort(isTls)
        return { row, port, probe: await probe({ ...how, address: row.address, port, host, isTls }) }
      }),
    )
  })
  const fallbackProbe = once(async () => {
    const { fallback } = target
    if (fallback === undefined) return undefined
    // When the AWS SDK has been loaded, which keeps the process from hearing its sockets.
    await look()
    const { hostname, protocol } = fallback
    const isTls = protocol === 'https:'
    const port = urlPort(fallback)
    return probe({ ...how, address: hostname, port, host: hostname, isTls })
  })
  return { ...context, target, service, api, look, probes, fallbackProbe }
}

/** As a client has it: the healthy ones, or all where none is; without the addresses that are never called. */
function callable(rows: readonly Row[], options: DoctorValues): readonly Row[] {
  const guard = addressGuard({ allowLoopback: options['allow-loopback'] })
  const healthy = rows.filter(({ health }) => health !== 'UNHEALTHY')
  return (healthy.length > 0 ? healthy : rows).filter(({ address }) => guard.check(address) === undefined)
}

function targetOf(text: string, options: DoctorValues): Target {
  const isUrl = /^https?:\/\//.test(text)
  const url = URL.parse(isUrl ? text : `http://${text}`)
  if (url === null || hasAddress(url) || url.username !== '')
    throw wrongValue('HOST', text, 'the name of a service, or an http or https URL with it')
  return {
    host: url.hostname,
    isTls: url.protocol === 'https:',
    port: url.port === '' ? undefined : Number(url.port),
    path: `${url.pathname}${url.search}`,
    fallback: fallbackOf(url.hostname, options.fallback),
  }
}

async function findTask({ timeout }: DoctorValues, { env, signal }: Io): Promise<KnownTask> {
  try {
    // What it listens on does not matter here.
    const { PORT: _, ...others } = env
    return {
      state: 'known',
      task: await self({ env: others, attempts: 2, timeoutMs: timeout, signal, clock: attentiveClock }),
    }
  } catch (error) {
    if (error instanceof NotOnEcsError) return { state: 'not-on-ecs' }
    return { state: 'failed', error: error as Error }
  }
}

/** The same promise each time. */
function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined
  return () => {
    made ??= make()
    return made
  }
}
