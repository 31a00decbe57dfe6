import type { RequestListener, Server } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { sleep, systemClock, type Clock } from '../../core/clock.ts'
import { checkFault, type Fault } from '../fault.ts'
import type { FleetTask, TaskPlace, TaskStats, TaskTls } from './fleet-task.ts'
import { TaskAnswers } from './task-answers.ts'
import { TaskSide } from './task-side.ts'

// Not imported: an ESM `import` of node:http makes Node load its own undici, which claims the global dispatcher.
const { createServer: createHttpServer } = process.getBuiltinModule('node:http')
const { createServer: createHttpsServer } = process.getBuiltinModule('node:https')

export interface TaskServerOptions {
  readonly tls?: TaskTls | undefined
  /** How long `shutdown` lets clients ask on connections that they keep alive, in ms [0]. */
  readonly graceMs?: number | undefined
  /** Answers requests that no fault takes [JSON that describes the request]. */
  readonly handler?: RequestListener | undefined
  readonly clock?: Clock | undefined
}

/**
 * A task within this process: an HTTP server with two sides, as behind a security group. Clients reach it on its own
 * address; the load balancer on another, which `cut` leaves alone.
 */
export class TaskServer implements FleetTask {
  readonly id: string
  readonly zone: string | undefined
  readonly address: string
  readonly backAddress: string
  readonly pid = undefined
  port = 0
  readonly #graceMs: number
  readonly #clock: Clock
  readonly #http: Server | Http2SecureServer
  /** Of HTTP/2, those that are open. */
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #client: TaskSide
  readonly #back: TaskSide | undefined
  readonly #answers: TaskAnswers
  /** Clients are to leave: each answer ends its connection. */
  #cut = false
  /** All are to leave. */
  #draining = false
  #ended = false

  constructor(place: TaskPlace, options: TaskServerOptions) {
    const { id, zone, address, backAddress } = place
    const { tls, graceMs = 0, handler, clock = systemClock } = options
    this.id = id
    this.zone = zone
    this.address = address
    this.backAddress = backAddress
    this.#graceMs = graceMs
    this.#clock = clock
    this.#answers = new TaskAnswers(place, handler, clock, {
      plainSocketOf: (socket) => this.#client.socketOf(socket) ?? this.#back?.socketOf(socket),
      isLeaving: (socket) => this.#draining || (this.#cut && this.#client.socketOf(socket) !== undefined),
    })
    const listener: RequestListener = (request, response) => this.#answers.take(request, response)
    const side = (at: string): TaskSide => new TaskSide(at, (socket) => this.#accept(socket))
    this.#http = serverOf(tls, listener)
    this.#http.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
      // Its handshake ended after the task had begun to leave.
      if (this.#draining) session.close()
    })
    this.#client = side(address)
    this.#back = backAddress === address ? undefined : side(backAddress)
  }

  get alive(): boolean {
    return !this.#draining && !this.#ended
  }

  /**
   * Leaves nothing behind if it fails.
   * @param port 0 for a free one
   */
  async listen(port: number): Promise<void> {
    try {
      this.port = await this.#client.listen(port)
      await this.#back?.listen(this.port)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  async set(fault: Fault): Promise<void> {
    this.#checkRunning()
    this.#answers.fault = checkFault(fault)
    if (fault.kind === 'reset-on-accept') this.#client.reset()
  }

  async stats(): Promise<TaskStats> {
    if (this.#ended) throw this.#hasEnded()
    return { ...this.#answers.counts, connections: this.#client.connections }
  }

  async cut(): Promise<void> {
    this.#checkRunning()
    this.#cut = true
    this.#client.stopListening()
  }

  async restore(): Promise<void> {
    this.#checkRunning()
    await this.#client.listen(this.port)
    this.#cut = false
  }

  /**
   * Stops listening, answers what it has taken (forever, if that hangs), then ends. In the time of grace, that is also
   * what comes in on connections that are open; each answer ends its connection.
   */
  async shutdown(): Promise<void> {
    if (this.#ended) return
    this.#draining = true
    this.#client.stopListening()
    this.#back?.stopListening()
    this.#closeSessions()
    await this.#grace()
    if ('closeIdleConnections' in this.#http) this.#http.closeIdleConnections()
    this.#closeSessions()
    // What the kernel has received by now counts as taken: two turns of the event loop read it.
    for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => systemClock.afterIo(resolve))
    this.#client.endSilent()
    this.#back?.endSilent()
    await this.#drained()
    await this.kill()
  }

  stop(): Promise<never> {
    return Promise.reject(
      new Error(
        `${this.id} runs within this process, which cannot stop itself: startFleet({ processes: true })`,
      ),
    )
  }

  resume(): Promise<never> {
    return this.stop()
  }

  /** GOAWAY: what a client has asked is answered, what it asks next goes elsewhere. */
  #closeSessions(): void {
    for (const session of this.#sessions) if (!session.closed) session.close()
  }

  async #grace(): Promise<void> {
    if (this.#graceMs === 0) return
    const over = new AbortController()
    await Promise.race([
      this.#drained(),
      sleep(this.#clock, this.#graceMs, over.signal).catch(() => undefined),
    ])
    over.abort()
  }

  #drained(): Promise<unknown> {
    return Promise.all([this.#client.drained(), this.#back?.drained()])
  }

  async kill(): Promise<void> {
    this.#ended = true
    for (const side of [this.#client, this.#back]) {
      side?.stopListening()
      side?.reset()
    }
    // An HTTP server that never listened still keeps a timer that looks for stalled requests.
    this.#http.close()
  }

  #checkRunning(): void {
    if (this.#ended) throw this.#hasEnded()
    if (this.#draining) throw new Error(`${this.id} is shutting down`)
  }

  #hasEnded(): Error {
    return new Error(`${this.id} has ended`)
  }

  #accept(socket: Socket): void {
    if (this.#answers.fault.kind === 'reset-on-accept') socket.resetAndDestroy()
    else this.#http.emit('connection', socket)
  }
}

function serverOf(tls: TaskTls | undefined, listener: RequestListener): Server | Http2SecureServer {
  if (tls === undefined) return createHttpServer(listener)
  const { key, cert, http2 = false } = tls
  if (!http2) return createHttpsServer({ key, cert }, listener)
  // Requests and responses of Node's HTTP/2 have what a listener of HTTP/1.1 uses.
  return createSecureServer({ key, cert, allowHTTP1: true }, listener as never)
}
