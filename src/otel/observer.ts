import { diag, type BatchObservableCallback, type Meter } from '@opentelemetry/api'
import type { OwnHistograms } from './histogram-producer.ts'
import { createInstruments } from './metrics.ts'
import { ObservedClients, type Observation } from './observed-clients.ts'
import { Readings } from './readings.ts'
import { Recorder } from './recorder.ts'
import { SdkHistograms } from './series.ts'

/**
 * All observed clients of one meter. They share its instruments: series differ by service and not by client, so that
 * an event must count once, and readings of the same service are merged.
 */
export class Observer {
  /** Where the histograms are; undefined: in the SDK. */
  readonly histograms: OwnHistograms | undefined
  readonly #meter: Meter
  readonly #clients: ObservedClients
  readonly #recorder: Recorder
  readonly #readings: Readings
  readonly #onCollection: BatchObservableCallback
  #collections = 0

  constructor(meter: Meter, histograms: OwnHistograms | undefined) {
    const instruments = createInstruments(meter)
    this.histograms = histograms
    this.#meter = meter
    this.#recorder = new Recorder(instruments, histograms ?? new SdkHistograms(instruments), (host) =>
      this.#clients.of(host),
    )
    this.#clients = new ObservedClients((...begun) => this.#recorder.begin(...begun))
    this.#readings = new Readings(instruments)
    this.#onCollection = (result) => {
      this.#warnIfUnread()
      this.#recorder.flush()
      this.#readings.read(this.#clients.inspect(), result)
    }
  }

  /** Whether it observes a client. */
  get isActive(): boolean {
    return this.#clients.size > 0
  }

  /** Listens from the first client on. */
  add(observation: Observation): void {
    this.#clients.add(observation)
    if (this.#clients.size > 1) return
    this.#recorder.subscribe()
    this.#meter.addBatchObservableCallback(this.#onCollection, this.#readings.observables)
  }

  /** Takes off all listeners and callbacks with the last client. */
  remove(observation: Observation): void {
    this.#clients.remove(observation)
    if (this.#clients.size > 0) return
    this.#recorder.unsubscribe()
    this.#meter.removeBatchObservableCallback(this.#onCollection, this.#readings.observables)
  }

  /** A reader asks for its producers along with its provider: by the second time one must have. */
  #warnIfUnread(): void {
    if (this.histograms === undefined || this.histograms.wasCollected || ++this.#collections !== 2) return
    diag.warn(
      'onehop/otel: no metric reader has asked for the histogramProducer() given to observe(), so that no durations are exported: add it to the metricProducers of the reader',
    )
  }
}
