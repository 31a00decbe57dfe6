/**
 * How a task leaves without losing a call.
 *
 * Callers know a task for a while after it has been deregistered: DNS answers live for their TTL. A task that stops
 * listening at SIGTERM refuses them, and one that closes its idle connections breaks the requests that are on their
 * way. So the order is the other way round (`sequence.ts`):
 *
 * 1. Every answer sends its caller away (`mark-answers.ts`), and Cloud Map forgets the task.
 * 2. The task serves on for the window: what DNS needs to forget it as well (`plan.ts`), and one quiet second.
 * 3. It stops listening, finishes what is under way (`http-server.ts`, `drainable.ts`), and breaks the rest in time.
 * 4. `onClose` runs, and the process exits before ECS sends SIGKILL.
 */
import type { Optional } from '../../core/check/check.ts'
import { emit } from '../../core/events.ts'
import { ServiceRegistration } from '../registration/register.ts'
import type { Registration } from '../registration/registration.ts'
import { readOptions, type ShutdownOptions, type ShutdownSettings } from './options.ts'
import { planOf, type Plan } from './plan.ts'
import type { ShutdownInspection, ShutdownPhase, ShutdownReport } from './report.ts'
import { Sequence } from './sequence.ts'
import { SignalWatch } from './signals.ts'

/** TTL of the DNS records where nothing names another: what this project's templates set. */
const DEFAULT_TTL_MS = 10_000

/** Shutdowns of this process that have begun and not ended: the last one ends it for all, with the worst code. */
const underWay = new Set<Shutdown>()
const exitCodes: number[] = []

/** What `gracefulShutdown()` returns. */
export interface Shutdown extends Disposable {
  /** How far it is. */
  readonly phase: ShutdownPhase
  /** For health checks: false from the signal on. An ALB drains by itself: go on answering it with 200. */
  readonly ready: boolean
  /** Aborts with the signal: end long polls, server-sent events and loops that take work. */
  readonly draining: AbortSignal
  /** Aborts a moment before connections are broken. */
  readonly cutting: AbortSignal
  /** Requests and upgraded connections under way. */
  readonly inFlight: number
  /**
   * Shuts down as a signal does; later calls get the same promise. Never rejects.
   * @param reason for events and the report [`begin()`]
   */
  begin(reason?: string): Promise<ShutdownReport>
  /** Its state, as plain JSON. */
  inspect(): ShutdownInspection
  /** Takes its listeners off signals and servers. A shutdown that has begun goes on. */
  [Symbol.dispose](): void
}

/**
 * Makes this process leave without losing a call when it gets SIGTERM. Install it before the servers listen, and once
 * for all servers of the process.
 *
 *     const server = createServer(app)
 *     gracefulShutdown({ servers: server, registration, onClose: () => pool.end() })
 *     server.listen(8080)
 *
 * A second signal cuts what is under way; a third ends the process with 128 + n.
 *
 * @throws InvalidOptionsError for options, or variables, that are not allowed
 */
export function gracefulShutdown(
  options: Optional<ShutdownOptions> & Pick<ShutdownOptions, 'servers'>,
): Shutdown {
  return new TaskShutdown(readOptions(options))
}

class TaskShutdown implements Shutdown {
  readonly draining: AbortSignal
  readonly cutting: AbortSignal
  readonly #settings: ShutdownSettings
  readonly #sequence: Sequence
  readonly #signals: SignalWatch
  #report: Promise<ShutdownReport> | undefined
  #plan: Plan | undefined

  constructor(settings: ShutdownSettings) {
    this.#settings = settings
    const { clock, signals, exit, registration } = settings
    this.#sequence = new Sequence(settings)
    this.draining = this.#sequence.draining.signal
    this.cutting = this.#sequence.cutting.signal
    this.#signals = new SignalWatch(signals, exit, clock, {
      first: (signal) => void this.begin(signal),
      second: () => this.#sequence.hurry(),
    })
    const checkTime = (): void => this.#checkTime()
    // The TTL is known once Cloud Map has been asked.
    if (registration === undefined || settings.ttlMs !== undefined) checkTime()
    else void Promise.resolve(outcomeOf(registration)).then(checkTime, () => undefined)
  }

  get phase(): ShutdownPhase {
    return this.#sequence.phase
  }

  get ready(): boolean {
    return this.phase === 'serving'
  }

  get inFlight(): number {
    return this.#sequence.inFlight
  }

  begin(reason = 'begin()'): Promise<ShutdownReport> {
    if (this.#report !== undefined) return this.#report
    // Known before it runs: steps and listeners may call this as well.
    const { promise, resolve } = Promise.withResolvers<ShutdownReport>()
    this.#report = promise
    resolve(this.#run(reason))
    return promise
  }

  inspect(): ShutdownInspection {
    const { phase, deregistration, inFlight } = this.#sequence
    const { windowMs, neededMs } = this.#plan ?? this.#planNow()
    const isLeaving = phase !== 'serving'
    return {
      phase,
      reason: isLeaving ? this.#sequence.reason : undefined,
      sinceMs: isLeaving ? this.#sequence.sinceMs : undefined,
      inFlight,
      windowMs,
      neededMs,
      stopTimeoutMs: this.#settings.stopTimeoutMs,
      deregistration,
    }
  }

  [Symbol.dispose](): void {
    this.#signals.end()
    if (this.#report === undefined) this.#sequence.release()
  }

  async #run(reason: string): Promise<ShutdownReport> {
    // Never registered: no caller knows the task.
    this.#plan = this.#planNow(this.#settings.registration?.state !== 'waiting')
    underWay.add(this)
    const report = await this.#sequence.run(reason, this.#plan)
    underWay.delete(this)
    // Until the exit, a signal must not end the process with a code of its own.
    if (this.#settings.exit) exitCodes.push(report.exitCode)
    else this.#signals.end()
    if (underWay.size === 0 && exitCodes.length > 0) {
      const code = Math.max(...exitCodes.splice(0))
      // After those that wait for the report.
      this.#settings.clock.afterIo(() => process.exit(code))
    }
    return report
  }

  #planNow(isKnown = true): Plan {
    const { isFound } = this.#settings
    return planOf({ ...this.#settings, isFound: isFound && isKnown }, this.#ttlMs() ?? DEFAULT_TTL_MS)
  }

  /** undefined: neither the options nor the registration name it. */
  #ttlMs(): number | undefined {
    const { registration, ttlMs } = this.#settings
    const ttls = (registration?.instances ?? []).flatMap((instance) => instance.ttlMs ?? [])
    return ttlMs ?? (ttls.length === 0 ? undefined : Math.max(...ttls))
  }

  /** At the start, and not when it is too late: ECS does not report `stopTimeout`, and SIGKILL leaves no trace. */
  #checkTime(): void {
    const { stopTimeoutMs } = this.#settings
    const { neededMs, windowMs, wantedWindowMs } = this.#planNow()
    if (neededMs <= stopTimeoutMs) return
    emit('onehop:shutdown.too-short', () => ({ neededMs, stopTimeoutMs, windowMs, wantedWindowMs }))
    const seconds = Math.ceil(neededMs / 1_000)
    const assumed =
      this.#ttlMs() === undefined
        ? `It assumes a TTL of ${DEFAULT_TTL_MS / 1_000} s: set ttlMs if the records have another TTL. `
        : ''
    process.emitWarning(
      `A shutdown that loses no call takes up to ${seconds} s, and ECS kills the task after ${stopTimeoutMs / 1_000} s. ` +
        `Set stopTimeout of the container to ${seconds} or more, and ONEHOP_STOP_TIMEOUT_S to the same number; or lower the TTL ` +
        `of the DNS records, or finishMs. ${assumed}Until then calls may fail in deployments.`,
      { code: 'ONEHOP_SHUTDOWN_TOO_SHORT' },
    )
  }
}

/** `registered`; a failure of `register()` counts as not read, and is still a warning. */
function outcomeOf(registration: Registration): Promise<void> {
  return registration instanceof ServiceRegistration ? registration.outcome : registration.registered
}
