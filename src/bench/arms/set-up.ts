/**
 * What a connection costs before it carries a call, measured apart from the load: lookup, TCP, TLS, and the first call of a
 * client that knows nothing, beside the call after it.
 */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { inTime } from '../../core/async/with-timeout.ts'
import type { Clock } from '../../core/clock.ts'
import { urlPort } from '../../core/url-port.ts'
import { sendOnce } from '../load/open-loop.ts'
import { isDirect, type Arm, type ArmOptions, type Way } from './arm.ts'
import { makeArm } from './make-arm.ts'

/**
 * `lookup`: discovery by a client that knows nothing, or the system's lookup of the load balancer's name. `tls`: a full
 * handshake; none over HTTP. `tlsResumed`: one that resumes the session of the one before. `coldCall`: the first call of a
 * client, with lookup and connection. `warmCall`: its second call, on a connection that is there.
 */
export const SET_UP_STEPS = ['lookup', 'tcp', 'tls', 'tlsResumed', 'coldCall', 'warmCall'] as const
export type SetUpStep = (typeof SET_UP_STEPS)[number]

/** What the tries came to. */
export interface SetUp {
  /** One time for each try that succeeded. */
  readonly ms: Readonly<Record<SetUpStep, number[]>>
  /** Tries that failed, in whole or in part. */
  failed: number
}

export function newSetUp(): SetUp {
  return { ms: { lookup: [], tcp: [], tls: [], tlsResumed: [], coldCall: [], warmCall: [] }, failed: 0 }
}

interface Place {
  readonly address: string
  readonly port: number
}

/** A server that sends no ticket is not waited for any longer. */
const TICKET_MS = 500

/** Tries one way again and again, each time with a client and connections that are thrown away. */
export class SetUpTries {
  readonly results: SetUp = newSetUp()
  readonly #way: Way
  readonly #options: ArmOptions
  readonly #clock: Clock
  readonly #timeoutMs: number
  #tries = 0

  constructor(way: Way, options: ArmOptions, clock: Clock, timeoutMs: number) {
    this.#way = way
    this.#options = options
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /**
   * @param signal cancels it
   * @throws the signal's reason
   */
  async next(signal: AbortSignal): Promise<void> {
    const turn = this.#tries++
    await this.#call(signal)
    const late = (): Error => new Error('the set-up takes too long')
    const limit = { clock: this.#clock, limitMs: this.#timeoutMs, signal, late }
    try {
      await inTime(limit, async (own) => {
        const places = await this.#lookUp()
        const place = places[turn % places.length]
        if (place !== undefined) await this.#connectTo(place, own)
      })
    } catch {
      signal.throwIfAborted()
      // Counted; the load shows the kinds of errors.
      this.results.failed++
    }
  }

  async #call(signal: AbortSignal): Promise<void> {
    const { ms } = this.results
    await this.#withArm(async ({ target }) => {
      const cold = await sendOnce(target, this.#clock, this.#timeoutMs, signal)
      const warm = await sendOnce(target, this.#clock, this.#timeoutMs, signal)
      if (cold.failure !== undefined || warm.failure !== undefined) this.results.failed++
      else {
        ms.coldCall.push(cold.ms)
        ms.warmCall.push(warm.ms)
      }
    })
  }

  async #withArm<Result>(use: (arm: Arm) => Promise<Result>): Promise<Result> {
    const arm = makeArm(this.#way, this.#options, this.#clock)
    try {
      return await use(arm)
    } finally {
      await arm.close()
    }
  }

  async #lookUp(): Promise<Place[]> {
    const { url, fallback, client } = this.#options
    const start = this.#clock.now()
    const timed = (): number => this.results.ms.lookup.push(this.#clock.now() - start)
    if (isDirect(this.#way))
      return this.#withArm(async (arm) => {
        const snapshot = await arm.client?.resolve(url.hostname)
        timed()
        const written = url.port === '' ? client.port : urlPort(url)
        return (snapshot?.endpoints ?? []).map(({ address, port }) => ({
          address,
          port: written ?? port ?? urlPort(url),
        }))
      })
    const target = fallback ?? url
    const host = target.hostname.replaceAll(/^\[|\]$/g, '')
    const addresses = await lookup(host, { all: true })
    if (isIP(host) === 0) timed()
    return addresses.map(({ address }) => ({ address, port: urlPort(target) }))
  }

  async #connectTo({ address, port }: Place, signal: AbortSignal): Promise<void> {
    const { url, fallback, tls, allowH2 } = this.#options
    const { ms } = this.results
    const target = isDirect(this.#way) ? url : (fallback ?? url)
    const secure = {
      ...tls,
      ALPNProtocols: allowH2 ? ['h2', 'http/1.1'] : ['http/1.1'],
      ...(isIP(target.hostname) === 0 && { servername: target.hostname }),
    }
    let session: Buffer | undefined
    for (const times of [ms.tls, ms.tlsResumed]) {
      const start = this.#clock.now()
      const socket = connect({ host: address, port, noDelay: true })
      socket.on('error', () => undefined)
      try {
        await once(socket, 'connect', { signal })
        if (session === undefined) ms.tcp.push(this.#clock.now() - start)
        if (target.protocol === 'http:') return
        session = await this.#handshake(socket, secure, session, signal, times)
        if (session === undefined) return
      } finally {
        socket.destroy()
      }
    }
  }

  /**
   * @param resumed the session to resume
   * @returns the session to resume next; undefined if there is none
   */
  async #handshake(
    socket: Socket,
    options: ConnectionOptions,
    resumed: Buffer | undefined,
    signal: AbortSignal,
    times: number[],
  ): Promise<Buffer | undefined> {
    const clock = this.#clock
    const start = clock.now()
    const secure = connectTls({ ...options, socket, ...(resumed !== undefined && { session: resumed }) })
    // After `once` has heard of the connection, a reset would be an error that nothing listens to.
    secure.on('error', () => undefined)
    // TLS 1.3 hands over its tickets after the handshake, and they are read as data is.
    const session = Promise.withResolvers<Buffer | undefined>()
    secure.once('session', session.resolve)
    await once(secure, 'secureConnect', { signal })
    if (resumed === undefined || secure.isSessionReused()) times.push(clock.now() - start)
    secure.resume()
    const timer = clock.setTimer(() => session.resolve(undefined), TICKET_MS, true)
    const ticket = resumed === undefined ? await session.promise : undefined
    timer.cancel()
    secure.destroy()
    return ticket
  }
}
