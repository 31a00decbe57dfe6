import type { Attributes, BatchObservableResult, Observable } from '@opentelemetry/api'
import type { OriginInspection, ServiceInspection, UpstreamInspection } from '../index.ts'
import { peerOf, portOf, SERVER_ADDRESS, SERVER_PORT, sourceOf, tierOf } from './attributes.ts'
import type { Instruments } from './metrics.ts'
import type { Inspected } from './observed-clients.ts'

type State = UpstreamInspection['state']

const sum = (one: number, other: number): number => one + other

interface Point {
  readonly attributes: Attributes
  readonly value: number
}

/** The readings of one instrument by their attributes. Several clients and origins may have the same. */
class Series {
  readonly observable: Observable
  readonly #merge: (one: number, other: number) => number
  readonly #gone: number | undefined
  #points = new Map<string, Point>()
  #before = new Map<string, Point>()

  /** @param gone what a set of attributes gets once when there is no reading of it any more [nothing] */
  constructor(observable: Observable, merge: (one: number, other: number) => number, gone?: number) {
    this.observable = observable
    this.#merge = merge
    this.#gone = gone
  }

  add(value: number, attributes: Attributes): void {
    const key = JSON.stringify(attributes)
    const point = this.#points.get(key)
    this.#points.set(key, {
      attributes,
      value: point === undefined ? value : this.#merge(point.value, value),
    })
  }

  /**
   * Hands over the readings. OpenTelemetry's SDK repeats the last value of a set of attributes that is read no more: a
   * task that was ejected once would be so for ever.
   */
  observe(result: BatchObservableResult): void {
    for (const { attributes, value } of this.#points.values())
      result.observe(this.observable, value, attributes)
    if (this.#gone !== undefined) {
      for (const [key, { attributes }] of this.#before)
        if (!this.#points.has(key)) result.observe(this.observable, this.#gone, attributes)
    }
    this.#before = this.#points
    this.#points = new Map()
  }
}

/** One for each observable instrument. */
function seriesOf(instruments: Instruments) {
  return {
    callActive: new Series(instruments.callActive, sum, 0),
    upstreams: new Series(instruments.upstreams, sum, 0),
    // The lowest of several origins: the one with a problem.
    directShare: new Series(instruments.directShare, Math.min, 1),
    localShare: new Series(instruments.localShare, Math.min),
    lookups: new Series(instruments.lookups, sum),
    age: new Series(instruments.age, Math.max, 0),
  }
}

/** Turns what clients know at one moment into readings of the observable instruments. */
export class Readings {
  readonly #series: ReturnType<typeof seriesOf>

  constructor(instruments: Instruments) {
    this.#series = seriesOf(instruments)
  }

  /** The instruments that are read. */
  get observables(): Observable[] {
    return Object.values(this.#series).map(({ observable }) => observable)
  }

  read(clients: readonly Inspected[], result: BatchObservableResult): void {
    const upstreams = new Map<string, { readonly attributes: Attributes; state: State }>()
    for (const { observation, inspection } of clients) {
      for (const [host, service] of Object.entries(inspection.services)) {
        this.#readService(host, service)
        for (const { upstreams: all } of Object.values(service.origins))
          for (const upstream of all) collectUpstream(upstreams, host, upstream, observation.perUpstream)
      }
    }
    for (const { attributes, state } of upstreams.values())
      this.#series.upstreams.add(1, { ...attributes, state })
    for (const series of Object.values(this.#series)) series.observe(result)
  }

  #readService(host: string, service: ServiceInspection): void {
    const { source, ageMs, refreshes, failedLookups, origins } = service
    const attributes = { [SERVER_ADDRESS]: host }
    const { lookups, age } = this.#series
    lookups.add(refreshes, { ...attributes, result: 'success' })
    lookups.add(failedLookups, { ...attributes, result: 'failure' })
    if (ageMs !== undefined && source !== undefined)
      age.add(ageMs / 1000, { ...attributes, source: sourceOf(source) })
    for (const [origin, inspection] of Object.entries(origins)) this.#readOrigin(host, origin, inspection)
  }

  #readOrigin(host: string, origin: string, inspection: OriginInspection): void {
    const { callsUnderWay, directShare, zones } = inspection
    const attributes = { [SERVER_ADDRESS]: host }
    const series = this.#series
    series.callActive.add(callsUnderWay, { ...attributes, [SERVER_PORT]: portOf(origin) })
    series.directShare.add(directShare, attributes)
    if (zones !== undefined) series.localShare.add(zones.localShare, attributes)
  }
}

const WORSE: readonly State[] = ['available', 'probing', 'ejected']

/** Several clients and origins may use the same task: it counts once, in its worst state. */
function collectUpstream(
  upstreams: Map<string, { readonly attributes: Attributes; state: State }>,
  host: string,
  { upstream, tier, zone, state }: UpstreamInspection,
  perUpstream: boolean,
): void {
  const key = `${host} ${upstream}`
  const known = upstreams.get(key)
  if (known !== undefined) {
    if (WORSE.indexOf(state) > WORSE.indexOf(known.state)) known.state = state
    return
  }
  const attributes: Attributes = { [SERVER_ADDRESS]: host, tier: tierOf(tier) }
  if (zone !== undefined) attributes['zone'] = zone
  if (perUpstream) Object.assign(attributes, peerOf(upstream))
  upstreams.set(key, { attributes, state })
}
