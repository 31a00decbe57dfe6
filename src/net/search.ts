import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { connectFailure } from '../core/async/connect-limit.ts'
import { openUntil, type Open } from '../core/async/open-until.ts'
import { systemClock } from '../core/clock.ts'
import { InvalidOptionsError, type Lease } from '../index.ts'
import type { ConnectOptions, NetClient } from './options.ts'

/** What a search reports. */
export interface Searcher {
  /** Where to connect next. */
  found(address: string, lease: Lease): void
  /** There is nowhere to connect to, or the client is destroyed. Never called before `start` has returned. */
  failed(error: Error): void
}

/** Where one socket connects: the upstreams that its service leases, one after the other, and the addresses of each. */
export class Search implements Open {
  readonly #client: NetClient
  readonly #options: ConnectOptions
  readonly #searcher: Searcher
  /** Ends the wait for discovery. */
  readonly #aborter = new AbortController()
  #lease: Lease | undefined = undefined
  /** Of the leased upstream, not tried yet. A load balancer may have several. */
  #addresses: string[] = []
  #isOver = false

  constructor(client: NetClient, options: ConnectOptions, searcher: Searcher) {
    this.#client = client
    this.#options = options
    this.#searcher = searcher
  }

  /** The current one; undefined before the first is found. */
  get lease(): Lease | undefined {
    return this.#lease
  }

  start(): void {
    const { host, port, key } = this.#options
    const { signal } = this.#aborter
    try {
      const options = { method: 'CONNECT', idempotent: true, key, signal }
      const lease = this.#client.acquire(originOf(host, port), options)
      if (lease instanceof Promise)
        lease.then(
          (acquired) => this.#begin(acquired),
          (error: Error) => this.#searcher.failed(error),
        )
      else this.#begin(lease)
    } catch (error) {
      // Those that get the socket by a promise have added their listeners by then.
      systemClock.afterIo(() => this.#searcher.failed(error as Error))
    }
  }

  /**
   * No connection could be made where it was tried last.
   * @returns whether there is another place to try, with `goOn`
   */
  next(error: Error): boolean {
    if (this.#addresses.length > 0) return true
    const lease = this.#lease
    lease?.report(connectFailure(error, lease.elapsedMs()))
    try {
      const next = lease?.again()
      if (next === undefined) return false
      this.#hold(next)
      return true
    } catch (thrown) {
      // A rule or a balancer of the user's.
      this.#searcher.failed(thrown as Error)
      return false
    }
  }

  /** Passes the next place to try. */
  goOn(): void {
    const lease = this.#lease
    if (this.#isOver || lease === undefined) return
    const [address, ...others] = this.#addresses
    if (address === undefined) this.#resolve(lease)
    else {
      this.#addresses = others
      this.#searcher.found(address, lease)
    }
  }

  /** Nothing is reported from now on, and the lease ends. */
  end(): void {
    this.#isOver = true
    this.#aborter.abort()
    this.#release()
  }

  cut(error: Error): void {
    this.#searcher.failed(error)
  }

  #begin(lease: Lease): void {
    if (this.#isOver) {
      lease.end()
      return
    }
    this.#hold(lease)
    this.goOn()
  }

  #hold(lease: Lease): void {
    this.#release()
    this.#lease = lease
    openUntil(lease.signal).add(this)
  }

  #release(): void {
    const lease = this.#lease
    if (lease === undefined) return
    openUntil(lease.signal).delete(this)
    lease.end()
  }

  #resolve(lease: Lease): void {
    const { address, tier, port } = lease.endpoint
    const { host, port: given } = this.#options
    if (tier === 0 && given === undefined && port === undefined && isSchemesPort(lease))
      systemClock.afterIo(() => this.#searcher.failed(noPort(host)))
    else if (isIP(address) !== 0) this.#searcher.found(address, lease)
    else this.#lookUp(address, lease)
  }

  /** The load balancer has a name, and maybe an address in each zone. */
  #lookUp(name: string, lease: Lease): void {
    lookup(name, { all: true }, (error, found) => {
      if (this.#isOver || this.#lease !== lease) return
      if (error === null) this.#addresses = found.map(({ address }) => address)
      if (error === null || this.next(error)) this.goOn()
      else this.#searcher.failed(error)
    })
  }
}

/** The scheme is the one whose default is not the port: a URL keeps no default port. */
function originOf(host: string, port: number | undefined): string {
  if (port === undefined) return `http://${host}`
  return `${port === 80 ? 'https' : 'http'}://${host}:${port}`
}

/** Whether the port is there only because the URL of the lease has none. */
function isSchemesPort({ port }: Lease): boolean {
  return port === 80
}

function noPort(host: string): Error {
  const allowed = `an integer from 1 to 65535, here or as the option port of the service: discovery knows none for ${host}`
  return new InvalidOptionsError('connect.port', undefined, allowed)
}
