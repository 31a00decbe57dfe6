import { Server } from 'node:net'
import { settlesWithin } from '../../core/async/settles-within.ts'
import { keepAlive, type Clock } from '../../core/clock.ts'
import { asError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import type { Registration } from '../registration/registration.ts'
import { CustomDrainable, runStep, type Drainable } from './drainable.ts'
import { HttpServer } from './http-server.ts'
import type { ShutdownSettings, Step } from './options.ts'
import type { Plan } from './plan.ts'
import type { ShutdownPhase, ShutdownReport } from './report.ts'

/** Deregistration counts as done by then, so that the window begins. It is tried again until the window ends. */
const DEREGISTER_MS = 5_000
/** For handlers that heed `cutting`. A second signal has to cut within 100 ms. */
const CUT_GRACE_MS = 25
const MAX_LISTED = 20

/** One shutdown from the signal to the end. `run` is called once. */
export class Sequence {
  phase: ShutdownPhase = 'serving'
  reason = ''
  deregistration: ShutdownReport['deregistration']
  readonly draining: AbortController = new AbortController()
  readonly cutting: AbortController = new AbortController()
  readonly #errors: Error[] = []
  readonly #settings: ShutdownSettings
  readonly #servers: readonly Drainable[]
  readonly #clock: Clock
  readonly #hurried = Promise.withResolvers<void>()
  #isHurried = false
  #startedAt = 0
  /** Settled from the start without a registration. */
  #deregistered: Promise<void> = Promise.resolve()

  constructor(settings: ShutdownSettings) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#servers = settings.servers.map((server) =>
      server instanceof Server
        ? new HttpServer(server, settings.clock)
        : new CustomDrainable(server, this.#failed),
    )
    this.deregistration = settings.registration === undefined ? 'none' : 'pending'
  }

  get inFlight(): number {
    return this.#servers.reduce((sum, { inFlight }) => sum + inFlight, 0)
  }

  get sinceMs(): number {
    return this.#clock.now() - this.#startedAt
  }

  /** Skips the window and cuts what is under way. */
  hurry(): void {
    this.#isHurried = true
    this.#hurried.resolve()
  }

  /** Takes all listeners off the servers. */
  release(): void {
    for (const server of this.#servers) server.release()
  }

  async run(reason: string, plan: Plan): Promise<ShutdownReport> {
    this.reason = reason
    this.#startedAt = this.#clock.now()
    // Without a socket, Node would end the process in the middle of `onClose`, with exit code 0.
    const alive = keepAlive(this.#clock)
    try {
      const drained = this.#drain(plan)
      await this.#window(plan)
      const servedMs = this.sinceMs
      const cut = await this.#finish(plan, drained)
      await this.#close(plan)
      this.#enter('closed')
      return {
        reason,
        tookMs: this.sinceMs,
        servedMs,
        deregistration: this.deregistration,
        cut: cut.slice(0, MAX_LISTED),
        cutCount: cut.length,
        errors: this.#errors,
        exitCode: cut.length > 0 || this.#errors.length > 0 ? 1 : 0,
      }
    } finally {
      alive.cancel()
      this.release()
    }
  }

  /** @returns settles once `onDrain` has run */
  #drain({ windowEndsByMs }: Plan): Promise<void> {
    for (const server of this.#servers) server.drain()
    this.#enter('draining')
    this.draining.abort(new Error(`shutting down: ${this.reason}`))
    const { registration, onDrain } = this.#settings
    if (registration !== undefined)
      this.#deregistered = this.#deregister(registration, Math.max(DEREGISTER_MS, windowEndsByMs))
    return this.#runAll(onDrain)
  }

  async #deregister(registration: Registration, withinMs: number): Promise<void> {
    try {
      this.deregistration = await registration.deregister({ withinMs })
    } catch (error) {
      this.deregistration = 'failed'
      this.#failed(error)
    }
  }

  /** Takes requests until no caller resolves the task any more, and none has come for a while. */
  async #window({ windowMs, windowEndsByMs }: Plan): Promise<void> {
    const { quietMs } = this.#settings
    const latestAt = this.#startedAt + windowEndsByMs
    let deregisteredAt = this.#startedAt + DEREGISTER_MS
    let isDeregistered = false
    // It changes when the window ends: earlier as a rule, later after an outage of the API.
    const deregistered = this.#deregistered.then(() => {
      deregisteredAt = this.#clock.now()
      isDeregistered = true
      return undefined
    })
    while (!this.#isHurried) {
      const now = this.#clock.now()
      const quietAt = Math.max(...this.#servers.map(({ lastArrivalAt }) => lastArrivalAt)) + quietMs
      const dueAt = Math.max(deregisteredAt + windowMs, windowMs === 0 ? now : quietAt)
      const waitMs = Math.min(dueAt, latestAt) - now
      if (waitMs <= 0) return
      const hurried = this.#hurried.promise
      await settlesWithin(
        this.#clock,
        waitMs,
        isDeregistered ? hurried : Promise.race([hurried, deregistered]),
      )
    }
  }

  /** @returns what was broken */
  async #finish({ finishByMs }: Plan, drained: Promise<void>): Promise<readonly string[]> {
    this.#enter('finishing')
    const { finishMs } = this.#settings
    const stop = (server: Drainable): Promise<void> => server.stop(this.cutting.signal).catch(this.#failed)
    const ended = Promise.all([drained, ...this.#servers.map(stop)])
    const limitMs = Math.min(finishMs, finishByMs - this.sinceMs)
    const hasEnded = await this.#endsWithin(limitMs, Promise.race([ended, this.#hurried.promise]))
    if (hasEnded && !this.#isHurried) return []
    const { inFlight } = this
    this.cutting.abort(new Error(`shutting down: ${this.reason}`))
    if (await this.#endsWithin(CUT_GRACE_MS, ended)) return []
    if (!(await this.#endsWithin(0, drained)))
      this.#failed(new Error(`onDrain has not ended within ${Math.round(this.sinceMs)} ms`))
    const cut = this.#servers.flatMap((server) => server.cut())
    if (cut.length > 0)
      emit('onehop:shutdown.cut', () => ({
        reason: this.reason,
        inFlight,
        cut: cut.slice(0, MAX_LISTED),
        count: cut.length,
      }))
    return cut
  }

  async #close({ closeByMs }: Plan): Promise<void> {
    this.#enter('closing')
    const { onClose, closeMs } = this.#settings
    const limitMs = Math.min(closeMs, closeByMs - this.sinceMs)
    const steps = this.#runAll(onClose)
    // An answer that is still to come means that the instance stays in Cloud Map.
    if (await this.#endsWithin(limitMs, Promise.all([steps, this.#deregistered]))) return
    if (!(await this.#endsWithin(0, steps)))
      this.#failed(new Error(`onClose has not ended within ${Math.round(limitMs)} ms (closeMs)`))
  }

  async #runAll(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await runStep(step, this.#failed)
  }

  #endsWithin(limitMs: number, work: Promise<unknown>): Promise<boolean> {
    return settlesWithin(this.#clock, Math.max(0, limitMs), work)
  }

  /** What a custom server or a step throws ends up in the report: the shutdown goes on. */
  readonly #failed = (error: unknown): void => {
    this.#errors.push(asError(error))
  }

  #enter(phase: ShutdownPhase): void {
    const from = this.phase
    this.phase = phase
    emit('onehop:shutdown.changed', () => ({
      from,
      to: phase,
      reason: this.reason,
      sinceMs: this.sinceMs,
      inFlight: this.inFlight,
    }))
  }
}
