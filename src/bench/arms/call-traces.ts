/** Which task each call of a run went to, and how many attempts it took, from the client's tracing channels. */
import { tracing, type AttemptTrace, type CallTrace } from '../../index.ts'
import type { Recording } from '../load/recording.ts'

export class CallTraces {
  readonly #recording: Recording
  readonly #calls = new WeakMap<CallTrace, number>()
  /** By `address:port`: the zone that discovery reports. */
  readonly zones: Map<string, string> = new Map()
  /** The call that is being dispatched: its trace starts before the dispatch returns. */
  current: number | undefined = undefined

  constructor(recording: Recording) {
    this.#recording = recording
    tracing.call.subscribe(this.#ofCalls)
    tracing.attempt.subscribe(this.#ofAttempts)
  }

  close(): void {
    tracing.call.unsubscribe(this.#ofCalls)
    tracing.attempt.unsubscribe(this.#ofAttempts)
  }

  readonly #ofCalls = {
    start: (trace: CallTrace): void => {
      if (this.current !== undefined) this.#calls.set(trace, this.current)
    },
  }

  readonly #ofAttempts = {
    start: (trace: AttemptTrace): void => {
      const call = this.#callOf(trace)
      if (call === undefined) return
      const { attempts, hedges, fellBack } = this.#recording
      attempts[call] = (attempts[call] ?? 0) + 1
      if (trace.hedged) hedges[call] = (hedges[call] ?? 0) + 1
      if (trace.tier === 1) fellBack[call] = 1
      if (trace.zone !== undefined) this.zones.set(trace.upstream, trace.zone)
      this.#recording.setUpstream(call, trace.upstream)
    },
    asyncEnd: (trace: AttemptTrace): void => {
      const call = this.#callOf(trace)
      // Of two attempts, the one that has answered.
      if (call !== undefined && trace.outcome?.kind === 'response')
        this.#recording.setUpstream(call, trace.upstream)
    },
  }

  #callOf({ call }: AttemptTrace): number | undefined {
    return call === undefined ? undefined : this.#calls.get(call)
  }
}
