/** One process that calls the service: a real view and cluster, over a resolver of one of the modes. */
import { Cluster } from '../../src/cluster/cluster.ts'
import type { Upstream } from '../../src/cluster/upstream.ts'
import type { Outcome } from '../../src/core/outcome.ts'
import { SnapshotCache } from '../../src/discovery/cache.ts'
import type { Endpoint } from '../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../src/discovery/service-name.ts'
import type { ServiceView } from '../../src/discovery/view/service-view.ts'
import type { Cause, SimulatedTask } from './service.ts'
import { clusterOptions } from '../cluster-options.ts'
import { resolverOf, type Mode, type Process } from './sources.ts'

const HOST = 'orders.shop.local'
/** Keeps a service in use: below the 60 s after which it is left to expire. */
const USE_EVERY_MS = 20_000
const CALL_EVERY_MS = 100
const MAX_ATTEMPTS = 3
const REFUSED: Outcome = { kind: 'connect-error', error: new Error('connect ECONNREFUSED') }
const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 5, retryAfterMs: undefined }

/** A change of the service that the process has not seen yet. */
interface Expected {
  readonly isMember: boolean
  readonly cause: Cause
  readonly at: number
}

/** A change that the process has seen. */
export interface Sight {
  readonly isMember: boolean
  readonly cause: Cause
  readonly delayMs: number
}

export class SimulatedProcess {
  readonly sights: Sight[] = []
  /** Changes that were over before they were seen. */
  unseen = 0
  attemptsAtDead = 0
  failedCalls = 0
  /** Endpoints that joined or left its set. */
  moves = 0
  readonly #process: Process
  readonly #cache: SnapshotCache
  readonly #view: ServiceView
  readonly #cluster: Cluster
  readonly #expected = new Map<string, Expected>()
  readonly #tasks = new Map<string, SimulatedTask>()
  #seen: readonly Endpoint[] = []
  #isCalling = false

  constructor(mode: Mode, process: Process) {
    const { time, random, service } = process
    this.#process = process
    this.#cache = new SnapshotCache({ resolver: resolverOf(mode, process), clock: time, random })
    this.#view = this.#cache.hold(parseServiceName(HOST, ['shop.local']))
    this.#cluster = new Cluster(this.#view, clusterOptions(time, random))
    for (const task of service.api.tasks) this.#tasks.set(task.address, task)
  }

  async start(): Promise<void> {
    await this.#view.whenUsable()
    this.#seen = this.#view.snapshot?.endpoints ?? []
    this.#use()
  }

  /** Whether a lookup is under way: promises have to settle before time goes on. */
  get isBusy(): boolean {
    const { lookups, refreshes, failures } = this.#view
    return lookups > refreshes + failures
  }

  /** The service has changed. */
  expect(task: SimulatedTask, isMember: boolean, cause: Cause): void {
    const { address } = task
    this.#tasks.set(address, task)
    const open = this.#expected.get(address)
    if (open !== undefined) {
      this.#expected.delete(address)
      this.unseen += 2
      if (open.isMember !== isMember) return
    }
    this.#expected.set(address, { isMember, cause, at: this.#process.time.now() })
  }

  /** Takes in what the last lookup brought. */
  look(): void {
    const endpoints = this.#view.snapshot?.endpoints ?? []
    if (endpoints === this.#seen) return
    const before = new Set(this.#seen.map(({ address }) => address))
    const known = new Set(endpoints.map(({ address }) => address))
    this.#seen = endpoints
    this.moves += known.symmetricDifference(before).size
    for (const [address, { isMember, at, cause }] of this.#expected) {
      if (known.has(address) !== isMember) continue
      this.sights.push({ cause, isMember, delayMs: this.#process.time.now() - at })
      this.#expected.delete(address)
    }
    this.callWhileSomeAreDead()
  }

  /** Calls change nothing while all tasks answer, so they are made only while one that is known does not. */
  callWhileSomeAreDead(): void {
    if (this.#isCalling || !this.#knowsDead()) return
    this.#isCalling = true
    this.#callOn()
  }

  close(): Promise<void> {
    this.#cluster.close()
    return this.#cache.close()
  }

  #use(): void {
    this.#view.touch(this.#process.time.now())
    this.#process.time.setTimer(() => this.#use(), USE_EVERY_MS)
  }

  #knowsDead(): boolean {
    return this.#seen.some(({ address }) => this.#tasks.get(address)?.isAlive === false)
  }

  #callOn(): void {
    if (!this.#knowsDead()) {
      this.#isCalling = false
      return
    }
    this.#call()
    const { time, random } = this.#process
    time.setTimer(() => this.#callOn(), CALL_EVERY_MS * 2 * random.next())
  }

  #call(): void {
    const now = this.#process.time.now()
    const call = { now, key: undefined }
    if (!this.#cluster.reconcileIfChanged(now)) return
    const tried: Upstream[] = []
    while (tried.length < MAX_ATTEMPTS) {
      const upstream = this.#cluster.pick(call, tried, false)
      if (upstream === undefined) break
      upstream.reserve()
      const isAlive = this.#tasks.get(upstream.endpoint.address)?.isAlive === true
      if (!isAlive) this.attemptsAtDead++
      upstream.release()
      this.#cluster.report(upstream, isAlive ? ANSWERED : REFUSED, now, now, call)
      if (isAlive) return
      tried.push(upstream)
    }
    this.failedCalls++
  }
}
