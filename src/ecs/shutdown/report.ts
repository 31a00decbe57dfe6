import type { DeregistrationResult } from '../registration/registration.ts'

/**
 * - `serving`: no signal yet
 * - `draining`: leaving; requests are taken, and each answer sends its caller away
 * - `finishing`: no longer listening; requests under way go on
 * - `closing`: `onClose` runs
 * - `closed`: all done
 */
export type ShutdownPhase = 'serving' | 'draining' | 'finishing' | 'closing' | 'closed'

/** How a shutdown went. Times in ms. */
export interface ShutdownReport {
  /** The signal, or what `begin` was called with. */
  readonly reason: string
  /** From the signal to the end. */
  readonly tookMs: number
  /** How long the task took requests after the signal. */
  readonly servedMs: number
  /** `none`: without a registration. `pending`: not settled yet. */
  readonly deregistration: DeregistrationResult | 'none' | 'pending'
  /** Requests and connections that were broken, e.g. `GET /export`: at most 20, and how many there were. */
  readonly cut: readonly string[]
  /** How many requests and connections were broken. */
  readonly cutCount: number
  /** What `onDrain`, `onClose`, `drain()` and `close()` threw, and what took too long. */
  readonly errors: readonly Error[]
  /** 1 if something was cut or failed. */
  readonly exitCode: 0 | 1
}

/** What `inspect()` of a shutdown returns: plain JSON. Times in ms. */
export interface ShutdownInspection {
  /** How far it is. */
  readonly phase: ShutdownPhase
  /** undefined while it serves. */
  readonly reason: string | undefined
  /** Since the signal; undefined while it serves. */
  readonly sinceMs: number | undefined
  /** Requests and upgraded connections under way. */
  readonly inFlight: number
  /** How long the task will take requests after deregistration. */
  readonly windowMs: number
  /** Shortest `stopTimeout` with room for everything. */
  readonly neededMs: number
  /** As it is configured. */
  readonly stopTimeoutMs: number
  /** As in the report. */
  readonly deregistration: ShutdownReport['deregistration']
}
