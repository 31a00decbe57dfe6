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

/** An attempt with its times on the clock; undefined where it did not get that far. */
export interface RecordedAttempt {
  readonly trace: AttemptTrace
  readonly startedAt: number
  /** Why its task was picked, in words. */
  readonly why: string
  sentAt: number | undefined
  connection: Connection | undefined
  /** Of TCP, as part of `connection`. */
  tcpMs: number | undefined
  headersAt: number | undefined
  status: number | undefined
  /** Of the response body, as they came. */
  bytes: number
  endedAt: number | undefined
}

/** Explains a pick at the moment of the attempt. */
export type Explain = (trace: AttemptTrace) => string

type Listener = (message: unknown, name: string | symbol) => void

interface OfRequest {
  readonly request: object
}

/** Listens until `stop()`. */
export class Recorder {
  #attempts: RecordedAttempt[] = []
  /** The one that is being dispatched: undici makes its request within that. */
  #begun: RecordedAttempt | undefined
  readonly #byRequest = new WeakMap<object, RecordedAttempt>()
  readonly #connecting = new WeakMap<object, number>()
  readonly #connections = new WeakMap<Socket, Connection>()
  readonly #tcp = new TcpConnects()
  readonly #listeners: TraceListeners<AttemptTrace>
  readonly #channels: ReadonlyMap<string, Listener>

  constructor(explain: Explain) {
    this.#listeners = {
      start: (trace) => {
        this.#begun = recorded(trace, explain(trace))
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
    this.#channels = new Map<string, Listener>([
      ['undici:request:create', (message) => this.#created(message as OfRequest)],
      ['undici:client:beforeConnect', (message) => this.#connects(message as { connector: object })],
      [
        'undici:client:connected',
        (message) => this.#connected(message as { connector: object; socket: Socket }),
      ],
      ['undici:client:sendHeaders', (message) => this.#sends(message as OfRequest & { socket: Socket })],
      [
        'undici:request:headers',
        (message) => this.#answered(message as OfRequest & { response: { statusCode: number } }),
      ],
      [
        'undici:request:bodyChunkReceived',
        (message) => this.#received(message as OfRequest & { chunk: Buffer }),
      ],
    ])
    tracing.attempt.subscribe(this.#listeners)
    for (const [name, listener] of this.#channels) subscribe(name, listener)
  }

  /** Those that began since the last call of this. */
  take(): readonly RecordedAttempt[] {
    const attempts = this.#attempts
    this.#attempts = []
    for (const attempt of attempts)
      if (attempt.connection !== undefined)
        attempt.tcpMs = this.#tcp.within(attempt.trace, attempt.connection)
    return attempts
  }

  stop(): void {
    tracing.attempt.unsubscribe(this.#listeners)
    for (const [name, listener] of this.#channels) unsubscribe(name, listener)
    this.#tcp.stop()
  }

  #created({ request }: OfRequest): void {
    if (this.#begun !== undefined) this.#byRequest.set(request, this.#begun)
  }

  #connects({ connector }: { readonly connector: object }): void {
    this.#connecting.set(connector, systemClock.now())
  }

  #connected({ connector, socket }: { readonly connector: object; readonly socket: Socket }): void {
    const madeAt = systemClock.now()
    this.#connections.set(socket, {
      begunAt: this.#connecting.get(connector) ?? madeAt,
      madeAt,
      isTls: socket instanceof TLSSocket,
    })
  }

  #sends({ request, socket }: OfRequest & { readonly socket: Socket }): void {
    const attempt = this.#byRequest.get(request)
    if (attempt === undefined) return
    attempt.sentAt = systemClock.now()
    attempt.connection = this.#connections.get(socket)
  }

  #answered({ request, response }: OfRequest & { readonly response: { readonly statusCode: number } }): void {
    const attempt = this.#byRequest.get(request)
    if (attempt === undefined) return
    attempt.headersAt = systemClock.now()
    attempt.status = response.statusCode
  }

  #received({ request, chunk }: OfRequest & { readonly chunk: Buffer }): void {
    const attempt = this.#byRequest.get(request)
    if (attempt !== undefined) attempt.bytes += chunk.length
  }
}

function recorded(trace: AttemptTrace, why: string): RecordedAttempt {
  return {
    trace,
    startedAt: systemClock.now(),
    why,
    sentAt: undefined,
    connection: undefined,
    tcpMs: undefined,
    headersAt: undefined,
    status: undefined,
    bytes: 0,
    endedAt: undefined,
  }
}
