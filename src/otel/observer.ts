import type { BatchObservableCallback, Meter } from '@opentelemetry/api'
import { createInstruments } from './metrics.ts'
import { ObservedClients, type Observation } from './observed-clients.ts'
import { Readings } from './readings.ts'
import { Recorder } from './recorder.ts'

/**
 * All observed clients of one meter. They share its instruments: series differ by service and not by client, so that
 * an event must count once, and readings of the same service are merged.
 */
export class Observer {
  readonly #meter: Meter
  readonly #clients: ObservedClients
  readonly #recorder: Recorder
  readonly #readings: Readings
  readonly #onCollection: BatchObservableCallback

  constructor(meter: Meter) {
    const instruments = createInstruments(meter)
    this.#meter = meter
    this.#recorder = new Recorder(instruments, (host) => this.#clients.of(host))
    this.#clients = new ObservedClients((...begun) => this.#recorder.begin(...begun))
    this.#readings = new Readings(instruments)
    this.#onCollection = (result) => {
      this.#recorder.flush()
      this.#readings.read(this.#clients.inspect(), result)
    }
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
}
