import { channel } from 'node:diagnostics_channel'
import { createNoopMeter, diag, metrics, type Meter, type MeterProvider } from '@opentelemetry/api'
import { checkBoolean, checkKeys, given } from '../core/check/check.ts'
import { checkMethods } from '../core/check/functions.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Client } from '../index.ts'
import { OwnHistograms, type HistogramProducer } from './histogram-producer.ts'
import type { Observation } from './observed-clients.ts'
import { Observer } from './observer.ts'

/** What to measure, and where it goes. */
export interface ObserveOptions {
  /** Where the metrics go [the global one, which the SDK registers when it starts]. */
  readonly meterProvider?: MeterProvider | undefined
  /**
   * Adds `network.peer.address` and `network.peer.port` to what is measured for each task [false]. Each deployment brings
   * new addresses, and the SDK keeps the old series until the process ends.
   */
  readonly perUpstream?: boolean | undefined
  /**
   * Also records `http.client.request.duration` of the semantic conventions, for each attempt [false]. Leave it off where
   * `@opentelemetry/instrumentation-undici` runs: that records the same metric.
   */
  readonly httpMetrics?: boolean | undefined
  /**
   * Counts durations itself, in place of the SDK, which costs a call less [the SDK counts]. A `histogramProducer()` that a
   * metric reader has among its `metricProducers`. The same for all clients of a meter provider.
   */
  readonly histograms?: HistogramProducer | undefined
}

const observers = new WeakMap<Meter, Observer>()

/**
 * Records metrics of a client's calls, attempts, tasks and discovery with OpenTelemetry, until it is disposed of. Start
 * the SDK first. Without a meter provider it does nothing, and `diag` gets a warning.
 *
 * Events name the service and not the client. A client that is not observed counts where it calls a service that an
 * observed client calls, too. With several meter providers, each gets all calls to the services of its clients.
 * @throws InvalidOptionsError for a client or an option that is not allowed
 */
export function observe(client: Pick<Client, 'inspect'>, options: ObserveOptions = {}): Disposable {
  checkMethods<Client>('client', client, ['inspect'], 'a client of createClient')
  const { provider, histograms, ...settings } = settingsOf(options)
  const meter = provider.getMeter('onehop')
  if (meter === createNoopMeter()) {
    diag.warn(
      'onehop/otel: no meter provider is registered, so that nothing is measured: start the SDK before observe(), or give it as meterProvider',
    )
    return { [Symbol.dispose]: () => undefined }
  }
  if (settings.httpMetrics && channel('undici:request:create').hasSubscribers)
    diag.warn(
      'onehop/otel: an instrumentation of undici listens, and may record http.client.request.duration a second time: leave httpMetrics off',
    )
  const observation: Observation = { client, ...settings }
  const observer = observerOf(meter, histograms)
  observer.add(observation)
  let isOver = false
  return {
    [Symbol.dispose](): void {
      if (!isOver) observer.remove(observation)
      isOver = true
    },
  }
}

function observerOf(meter: Meter, histograms: OwnHistograms | undefined): Observer {
  const known = observers.get(meter)
  if (known !== undefined && known.histograms === histograms) return known
  if (known?.isActive === true)
    throw new InvalidOptionsError(
      'observe.histograms',
      histograms,
      'the same for all clients that are observed with one meter provider',
    )
  const observer = new Observer(meter, histograms)
  observers.set(meter, observer)
  return observer
}

function settingsOf(options: ObserveOptions) {
  const { meterProvider, perUpstream, httpMetrics, histograms } = checkKeys('observe', options, [
    ...['meterProvider', 'perUpstream', 'httpMetrics', 'histograms'],
  ])
  if (histograms !== undefined && !(histograms instanceof OwnHistograms))
    throw new InvalidOptionsError('observe.histograms', histograms, 'what histogramProducer() returns')
  return {
    provider:
      meterProvider === undefined
        ? metrics.getMeterProvider()
        : checkMethods<MeterProvider>(
            'observe.meterProvider',
            meterProvider,
            ['getMeter'],
            'a MeterProvider of OpenTelemetry',
          ),
    perUpstream: given('observe.perUpstream', perUpstream, false, checkBoolean),
    httpMetrics: given('observe.httpMetrics', httpMetrics, false, checkBoolean),
    histograms,
  }
}
