import type { Dispatcher } from 'undici'
import { withoutSecrets } from '../../core/check/given.ts'
import { callTracing, hasStartListeners, traceBegin, traceOver, type CallTrace } from '../../core/tracing.ts'
import type { Attempt } from './attempt.ts'
import { Call } from './call.ts'

/** A call that something listens to (`onehop:call`). */
export class TracedCall extends Call {
  readonly #trace: CallTrace = callTrace(this.route.host, this.request.options)

  override get trace(): CallTrace {
    return this.#trace
  }

  override start(): void {
    // The caller's handler may end the call before it counts as started.
    this.startedAt = this.route.clock.now()
    if (!hasStartListeners(callTracing)) {
      super.start()
      return
    }
    traceBegin(callTracing, this.#trace, () => {
      this.bindContext()
      super.start()
    })
  }

  override acceptResponse(attempt: Attempt, latencyMs: number): void {
    super.acceptResponse(attempt, latencyMs)
    this.#trace.statusCode = attempt.statusCode
  }

  protected override finish(error: Error | undefined): boolean {
    if (!super.finish(error)) return false
    this.#trace.durationMs = this.route.clock.now() - this.startedAt
    this.#trace.error = error
    traceOver(callTracing, this.#trace)
    return true
  }
}

function callTrace(host: string, { method, path, origin }: Dispatcher.DispatchOptions): CallTrace {
  return {
    host,
    origin: shownOrigin(String(origin)),
    method,
    path,
    attempts: 0,
    statusCode: undefined,
    durationMs: undefined,
    error: undefined,
  }
}

const MAY_HAVE_SECRETS = /[@?#]/

function shownOrigin(origin: string): string {
  return MAY_HAVE_SECRETS.test(origin) ? withoutSecrets(origin) : origin
}
