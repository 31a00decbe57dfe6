import { LRUCache } from 'lru-cache'
import { systemClock, systemRandom, type Clock, type Random } from '../../core/clock.ts'
import { ClosedError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import { CloudMapApi, type ServiceInNamespace } from './api.ts'
import { endpointsOf, excludedOf } from './endpoint.ts'
import { cloudMapError, CloudMapError } from './error.ts'
import { cloudMapSettings, MAX_INSTANCES, type CloudMapOptions, type CloudMapSettings } from './options.ts'
import type { Snapshot } from '../endpoint.ts'
import { spread } from '../../core/async/jitter.ts'
import { inTime } from '../../core/async/with-timeout.ts'
import type { LookupReason, Resolver } from '../resolver.ts'
import type { ServiceName } from '../service-name.ts'
import { UsageCounter } from '../usage.ts'

interface Injected {
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

const REVISION_MS = 5_000
/** Health does not change the revision. */
const FULL_READ_MS = 30_000
/** A fleet of clients that started together must not poll in step. */
const JITTER_RATIO = 0.1

/** Over all: credentials, both attempts, and the wait in between. */
const LOOKUP_LIMIT_MS = 10_000

/** A role that may not ask for revisions seldom changes, and the price of not asking is small. */
const REVISION_DENIED_FOR_MS = 300_000

/** Services whose last read is remembered; others are read anew. */
const MAX_SERVICES = 1_000

/** The last whole read of a service. */
interface Reading extends Pick<Snapshot, 'endpoints' | 'excluded' | 'complete' | 'revision'> {
  /** On the clock. */
  readonly readAt: number
}

/** What is known of one service, between polls. */
interface Known {
  reading: Reading | undefined
  /** Until then every poll is a whole read, because revisions may not be asked for; on the clock. */
  revisionAgainAt: number
}

/** One lookup of a service. */
interface Poll {
  readonly service: ServiceName
  /** The service, as the API takes it. */
  readonly place: ServiceInNamespace
  readonly signal: AbortSignal
}

/** A resolver whose first lookup loads the AWS SDK. */
export interface CloudMapResolver extends Resolver {
  /**
   * Loads the SDK before the first lookup needs it, and asks nothing. Rejects if it cannot be loaded, as lookups will.
   * `createClient` does it by itself for `'auto'` and `'api'`.
   */
  load(): Promise<void>
}

/** The two calls that it makes; `CloudMapApi`, and a simulated one. */
export type DiscoverApi = Pick<CloudMapApi, 'discoverInstances' | 'discoverRevision' | 'close'>

/**
 * Finds endpoints by the Cloud Map API: with zones, ports and weights, fresh within seconds, and also for
 * namespaces without DNS.
 *
 * Each lookup asks for the revision of the service's instances (`DiscoverInstancesRevision`), and reads them
 * (`DiscoverInstances`) if it is another, or if 30 s have passed: a change of health does not change the revision. Needs
 * the IAM actions of both names; without the first, each lookup is a read, reported by `onehop:revision.denied`.
 *
 * Asks for healthy instances, or all when none is (`HEALTHY_OR_ELSE_ALL`), as Cloud Map's DNS does. Instances
 * without a usable address are skipped with the event `onehop:endpoint.refused`. The AWS SDK is loaded with `load()`, or the
 * first lookup; all services share one SDK client and its connections.
 *
 * @throws InvalidOptionsError for options that are unknown or not allowed
 */
export function cloudMapResolver(options: CloudMapOptions & Injected = {}): CloudMapResolver {
  const { clock = systemClock, random = systemRandom, ...written } = options
  return sdkResolver(cloudMapSettings(written), clock, random)
}

/** The same with options that are resolved. */
export function sdkResolver(settings: CloudMapSettings, clock: Clock, random: Random): CloudMapResolver {
  const usage = new UsageCounter(clock)
  const api = new CloudMapApi(settings.sdkConfig, usage)
  const resolver = pollingResolver(api, settings, clock, random)
  return { ...resolver, load: () => api.load(), usage: (service) => usage.of(service.host) }
}

/** The same over any API. */
export function pollingResolver(
  api: DiscoverApi,
  settings: CloudMapSettings,
  clock: Clock,
  random: Random,
): Resolver {
  const { revisionMs = REVISION_MS, fullReadMs = FULL_READ_MS } = settings
  const services = new LRUCache<string, Known>({
    max: MAX_SERVICES,
    memoMethod: () => ({ reading: undefined, revisionAgainAt: Number.NEGATIVE_INFINITY }),
  })

  /** The last reading if it still holds; the error when that may not be asked. */
  const lastIfCurrent = async (
    { reading, revisionAgainAt }: Known,
    { service, place, signal }: Poll,
  ): Promise<Reading | CloudMapError | undefined> => {
    const now = clock.now()
    if (reading?.revision === undefined || now >= reading.readAt + fullReadMs) return undefined
    if (now < revisionAgainAt) return undefined
    try {
      const revision = await api.discoverRevision(service.host, place, signal)
      return revision === reading.revision ? reading : undefined
    } catch (cause) {
      if (cause instanceof ClosedError) throw cause
      const error = cloudMapError(service, 'DiscoverInstancesRevision', cause)
      // Not allowed, or unknown to a server other than AWS: a read works, or reports the true cause.
      if (error.failure === 'denied' || error.failure === 'invalid-request') return error
      throw error
    }
  }

  const read = async ({ service: { host }, place, signal }: Poll): Promise<Reading> => {
    const answer = await api.discoverInstances(host, { ...settings.request, ...place }, signal)
    const { Instances = [], InstancesRevision: revision } = answer
    const endpoints = endpointsOf(host, Instances, settings.family)
    return {
      endpoints,
      excluded: excludedOf(Instances, endpoints),
      complete: Instances.length < MAX_INSTANCES,
      revision,
      readAt: clock.now(),
    }
  }

  const look = async (poll: Poll, reason: LookupReason): Promise<Reading> => {
    const { host } = poll.service
    const known = services.memo(host)
    const last = reason === 'expired' ? await lastIfCurrent(known, poll) : undefined
    if (last !== undefined && !(last instanceof CloudMapError)) return last
    const reading = await read(poll)
    known.reading = reading
    if (last !== undefined) {
      known.revisionAgainAt = reading.readAt + REVISION_DENIED_FOR_MS
      emit('onehop:revision.denied', () => ({ host, error: last }))
    }
    return reading
  }

  return {
    async resolve(service, signal, reason = 'expired'): Promise<Snapshot> {
      const { host, namespace } = service
      if (namespace === undefined)
        throw new CloudMapError(
          host,
          'unknown-name',
          'lies in none of the namespaces, so the Cloud Map API cannot be asked',
        )
      const place = { NamespaceName: namespace, ServiceName: service.service, ...settings.common }
      const late = (): Error =>
        new CloudMapError(host, 'outage', `the Cloud Map API gave no answer in ${LOOKUP_LIMIT_MS} ms`)
      const limit = { clock, limitMs: LOOKUP_LIMIT_MS, signal, late }
      try {
        const reading = await inTime(limit, (own) => look({ service, place, signal: own }, reason))
        const { endpoints, excluded, complete, revision } = reading
        const expiresAt = clock.now() + spread(revisionMs, JITTER_RATIO, random)
        return { service, endpoints, excluded, complete, expiresAt, source: 'cloud-map', revision }
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof ClosedError) throw error
        throw cloudMapError(service, 'DiscoverInstances', error)
      }
    },
    close: () => api.close(),
  }
}
