import { AsyncResource } from 'node:async_hooks'
import { openUntil } from '../core/async/open-until.ts'
import type { Lease } from '../index.ts'
import type { Connection } from './connection.ts'
import {
  STATE,
  STATUS,
  type CallListener,
  type Metadata,
  type RealSubchannel,
  type StatusObject,
  type Subchannel,
  type SubchannelCall,
} from './grpc-js.ts'
import { outcomeOf, outcomeOfHeaders, type Ended } from './outcome.ts'

/** How grpc-js calls a connection that was lost, without a code of the stream. */
const DROPPED = 'Connection dropped'

/** `grpc-timeout` of a call whose deadline has passed. */
const NO_TIME = '0m'

const CALL: unique symbol = Symbol('onehop call')

/** What the attempts of one call have in common. grpc-js gives them all the same object. */
export class Call {
  /** Where its attempts went: a retry or a hedge goes elsewhere if it can. */
  readonly tried: Connection[] = []
  /** The caller's: grpc-js starts a call that had to wait in the context of what it waited for. */
  readonly context: AsyncResource = new AsyncResource('ONEHOP_GRPC_CALL')

  /** @param key of the call, from its first pick on, which comes in the caller's context */
  static of(key: object): Call {
    const keyed = key as { [CALL]?: Call }
    return (keyed[CALL] ??= new Call())
  }
}

/**
 * One attempt of a call on one task, from its pick to its status: holds the lease, and reports to it.
 *
 * A picker learns only when a call ends. A stream that is open for hours would make its task look silent for as long. So the
 * attempt also stands between the call and its connection, where response headers pass.
 */
export class Attempt {
  readonly #call: Call
  readonly #lease: Lease
  readonly #subchannel: Subchannel
  /** `elapsedMs` of the lease when the request was sent. */
  #sentAtMs = 0
  #isSent = false
  /** What grpc-js has sent; undefined before, and where its connection does not report here first. */
  #sent: SubchannelCall | undefined = undefined
  /** Whether its deadline had passed when it was sent. */
  #isLate = false
  /** To response headers; undefined before. */
  #latencyMs: number | undefined = undefined
  #isOver = false

  constructor(lease: Lease, call: Call, subchannel: Subchannel) {
    this.#call = call
    this.#lease = lease
    this.#subchannel = subchannel
  }

  get elapsedMs(): number {
    return this.#lease.elapsedMs()
  }

  /** What the call gets as its connection. In all else it is the channel's own, as policies around this one expect. */
  connection(): Subchannel {
    const connection = Object.create(this.#subchannel) as Subchannel
    // A call with credentials of its own looks again when it has them. If the connection is gone, it picks again.
    connection.getConnectivityState = () => {
      const state = this.#lease.signal.aborted ? STATE.IDLE : this.#subchannel.getConnectivityState()
      if (state !== STATE.READY) this.drop()
      return state
    }
    connection.getRealSubchannel = () => ({
      createCall: (...args) => this.#createCall(...args),
    })
    return connection
  }

  /** It never was sent: that says nothing about the task. */
  drop(): void {
    if (this.#isSent || this.#isOver) return
    this.#isOver = true
    this.#lease.end()
  }

  /** The client is destroyed. That says nothing about the task. */
  cut({ message }: Error): void {
    this.#over()
    this.#lease.end()
    this.#sent?.cancelWithStatus(STATUS.UNAVAILABLE, message)
  }

  /** grpc-js has sent it. */
  started(): void {
    this.#isSent = true
  }

  /** grpc-js has its status. */
  ended(code: number, details: string, metadata: Metadata): void {
    // What the connection has not reported came from here. Within another policy it reports nothing.
    const isCallers =
      this.#sent !== undefined || code === STATUS.CANCELLED || code === STATUS.DEADLINE_EXCEEDED
    const isStreams = !isCallers && details === DROPPED
    const by = isCallers ? 'caller' : isStreams ? 'stream' : 'task'
    this.#end({ code, details, metadata, by, rstCode: undefined })
  }

  #createCall(...args: Parameters<RealSubchannel['createCall']>): SubchannelCall {
    const [metadata, host, method, listener, callNumber] = args
    const lease = this.#lease
    this.#sentAtMs = lease.elapsedMs()
    this.#isLate = metadata.get('grpc-timeout')[0] === NO_TIME
    // A load balancer has a name of its own, by which it routes.
    const authority = lease.endpoint.tier === 1 ? lease.host : host
    try {
      this.#sent = this.#call.context.runInAsyncScope(() =>
        this.#subchannel
          .getRealSubchannel()
          .createCall(metadata, authority, method, this.#listener(listener), callNumber),
      )
      if (!this.#isOver) openUntil(lease.signal).add(this)
      return this.#sent
    } catch (error) {
      if (!this.#isOver) lease.report({ kind: 'transport-error', error: error as Error, sent: false })
      this.drop()
      throw error
    }
  }

  /** HTTP/2 calls back in the context of whatever opened the connection. */
  #listener(listener: CallListener): CallListener {
    const { context } = this.#call
    return {
      onReceiveMetadata: (metadata) => {
        this.#answered(metadata)
        context.runInAsyncScope(() => listener.onReceiveMetadata(metadata))
      },
      onReceiveMessage: (message) => context.runInAsyncScope(() => listener.onReceiveMessage(message)),
      onReceiveStatus: (status) => {
        // Before the call hears of it: its retry picks at once.
        this.#received(status)
        context.runInAsyncScope(() => listener.onReceiveStatus(status))
      },
    }
  }

  #answered(metadata: Metadata): void {
    if (this.#isOver || this.#latencyMs !== undefined) return
    this.#latencyMs = this.#msSinceSent()
    this.#lease.report(outcomeOfHeaders(metadata, this.#latencyMs))
  }

  #received({ code, details, metadata, rstCode }: StatusObject & { readonly rstCode?: number }): void {
    const isStreams = rstCode !== undefined || details === DROPPED
    this.#end({ code, details, metadata, by: isStreams ? 'stream' : 'task', rstCode })
  }

  #end(ended: Pick<Ended, 'code' | 'details' | 'metadata' | 'by' | 'rstCode'>): void {
    if (this.#isOver) return
    this.#over()
    const lease = this.#lease
    const isAnswered = this.#latencyMs !== undefined
    const latencyMs = this.#latencyMs ?? this.#msSinceSent()
    const outcome = outcomeOf({ ...ended, isLate: this.#isLate, isAnswered, latencyMs })
    if (isAnswered) lease.reportBreak(outcome)
    else lease.report(outcome)
    lease.end()
  }

  #over(): void {
    this.#isOver = true
    openUntil(this.#lease.signal).delete(this)
  }

  /** What is subtracted for the delays of this process is an estimate, which may grow. */
  #msSinceSent(): number {
    return Math.max(0, this.elapsedMs - this.#sentAtMs)
  }
}
