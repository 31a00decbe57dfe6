/**
 * Records the attempts of the calls of this process, by the tracing channels of onehop and the diagnostics channels of
 * undici: what an application can subscribe to as well.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { tracing, type AttemptTrace, type TraceListeners } from '../../index.ts'
import { systemClock } from '../../core/clock.ts'
import { TcpConnects } from './tcp-connects.ts'

/** A connection: when it was begun, and made. On the clock. */
interface Connection {
  readonly begunAt: number
  readonly madeAt: number
  readonly isTls: boolean
}

/** An attempt with its times on the clock, as far as it got. */
export interface RecordedAttempt {
  readonly trace: AttemptTrace
  readonly startedAt: number
  /** Why its task was picked, in words. */
  readonly why: string
  sentAt?: number
  connection?: Connection | undefined
  /** Of TCP, as part of `connection`. */
  tcpMs?: number | undefined
  headersAt?: number
  status?: number
  /** Of the response body, as they came. */
  bytes: number
  endedAt?: number
}

/** What undici's channels report; each has some of it. */
interface Message {
  readonly request: object
  readonly response: { readonly statusCode: number }
  readonly chunk: Buffer
  readonly connector: object
  readonly socket: Socket
}

/** Listens until `stop()`. */
export class Recorder {
  readonly #attempts: RecordedAttempt[] = []
  /** The one that is being dispatched: undici makes its request within that. */
  #begun: RecordedAttempt | undefined
  readonly #byRequest = new WeakMap<object, RecordedAttempt>()
  readonly #connecting = new WeakMap<object, number>()
  readonly #connections = new WeakMap<Socket, Connection>()
  readonly #tcp = new TcpConnects()
  readonly #listeners: TraceListeners<AttemptTrace>

  /** @param explain why a task was picked; called as the attempt starts */
  constructor(explain: (trace: AttemptTrace) => string) {
    this.#listeners = {
      start: (trace) => {
        this.#begun = { trace, why: explain(trace), startedAt: systemClock.now(), bytes: 0 }
        this.#attempts.push(this.#begun)
      },
      end: () => {
        this.#begun = undefined
      },
      asyncEnd: (trace) => {
        const attempt = this.#attempts.find((one) => one.trace === trace)
        if (attempt !== undefined) attempt.endedAt = systemClock.now()
      },
    }
    tracing.attempt.subscribe(this.#listeners)
    for (const [name, listener] of this.#channels) subscribe(name, listener)
  }

  /** What has been recorded. */
  stop(): readonly RecordedAttempt[] {
    for (const attempt of this.#attempts)
      if (attempt.connection !== undefined)
        attempt.tcpMs = this.#tcp.within(attempt.trace, attempt.connection)
    tracing.attempt.unsubscribe(this.#listeners)
    for (const [name, listener] of this.#channels) unsubscribe(name, listener)
    this.#tcp.stop()
    return this.#attempts
  }

  readonly #channels = new Map(
    Object.entries({
      'undici:request:create': ({ request }) => {
        if (this.#begun !== undefined) this.#byRequest.set(request, this.#begun)
      },
      'undici:client:beforeConnect': ({ connector }) => {
        this.#connecting.set(connector, systemClock.now())
      },
      'undici:client:connected': ({ connector, socket }) => {
        const madeAt = systemClock.now()
        const begunAt = this.#connecting.get(connector) ?? madeAt
        this.#connections.set(socket, { begunAt, madeAt, isTls: socket instanceof TLSSocket })
      },
      'undici:client:sendHeaders': ({ request, socket }) =>
        this.#update(request, { sentAt: systemClock.now(), connection: this.#connections.get(socket) }),
      'undici:request:headers': ({ request, response }) =>
        this.#update(request, { headersAt: systemClock.now(), status: response.statusCode }),
      'undici:request:bodyChunkReceived': ({ request, chunk }) => {
        const attempt = this.#byRequest.get(request)
        if (attempt !== undefined) attempt.bytes += chunk.length
      },
    } satisfies Readonly<Record<string, (message: Message) => void>>),
  ) as ReadonlyMap<string, (message: unknown) => void>

  #update(request: object, facts: Partial<RecordedAttempt>): void {
    const attempt = this.#byRequest.get(request)
    if (attempt !== undefined) Object.assign(attempt, facts)
  }
}
