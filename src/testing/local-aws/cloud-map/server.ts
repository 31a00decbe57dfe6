import type { IncomingMessage, ServerResponse } from 'node:http'
import { sleep, type Clock } from '../../../core/clock.ts'
import { randomId } from '../chance.ts'
import { FaultPlan } from './faults.ts'
import { handleRequest } from './handle-request.ts'
import { LOOPBACK, LoopbackHttp, readBody, sendGarbage, sendJson } from '../loopback-http.ts'
import type { Registry } from '../registry.ts'

const TARGET_PREFIX = 'Route53AutoNaming_v20170314.'
const CONTENT_TYPE = 'application/x-amz-json-1.1'

/**
 * The Cloud Map API in AWS JSON 1.1: every request is a POST to `/`, with the operation in `X-Amz-Target`.
 * Signatures are not checked; any credentials will do.
 */
export class CloudMapServer {
  /** How often each operation was asked for, retries and faulty answers included. */
  readonly calls: Record<string, number> = {}
  readonly #registry: Registry
  readonly #clock: Clock
  readonly #plan: FaultPlan
  readonly #closing = new AbortController()
  readonly #http = new LoopbackHttp((request, response) => void this.#serve(request, response))

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry
    this.#clock = clock
    this.#plan = new FaultPlan(registry.faults)
  }

  get endpoint(): string {
    return `http://${LOOPBACK}:${this.#http.port}`
  }

  listen(): Promise<void> {
    return this.#http.listen()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#http.stop()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('x-amzn-requestid', randomId(this.#registry.random, 32))
    const target = String(request.headers['x-amz-target'] ?? '')
    const operation = target.startsWith(TARGET_PREFIX) ? target.slice(TARGET_PREFIX.length) : target
    this.calls[operation] = (this.calls[operation] ?? 0) + 1
    const { answer, delayMs } = this.#plan.of(operation)
    try {
      const body = await readBody(request)
      if (delayMs > 0) await sleep(this.#clock, delayMs, this.#closing.signal)
      if (answer === 'hang') return
      if (answer === 'garbage') return sendGarbage(response, CONTENT_TYPE)
      const { status, body: reply } = handleRequest(this.#registry, operation, body, answer)
      if (answer === 'lose') request.socket.resetAndDestroy()
      else sendJson(response, status, CONTENT_TYPE, reply)
    } catch {
      // The client went away, or this server closes: no caller waits for an answer.
      response.destroy()
    }
  }
}
