import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'

/** As Node reports a connection: `detail` is not in its types. */
type NetEntry = PerformanceEntry & { readonly detail?: { readonly host?: string; readonly port?: number } }

/**
 * How long TCP took of a connection. Nothing else reports that of a TLS connection in time: undici's channels speak of the
 * whole, and its sockets are seen when they are done. Node's performance entries have each connect, by address and port.
 */
export class TcpConnects {
  readonly #entries: NetEntry[] = []
  readonly #observer: PerformanceObserver

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#keep(list.getEntries()))
    this.#observer.observe({ type: 'net' })
  }

  /** In ms; undefined where there is no entry of that place between the two times. */
  within(
    { address, port }: { readonly address: string; readonly port: number },
    { begunAt, madeAt }: { readonly begunAt: number; readonly madeAt: number },
  ): number | undefined {
    this.#keep(this.#observer.takeRecords())
    return this.#entries.findLast(
      ({ detail, startTime }) =>
        detail?.host === address && detail.port === port && startTime >= begunAt && startTime <= madeAt,
    )?.duration
  }

  stop(): void {
    this.#observer.disconnect()
  }

  #keep(entries: readonly NetEntry[]): void {
    this.#entries.push(...entries.filter(({ name }) => name === 'connect'))
  }
}
