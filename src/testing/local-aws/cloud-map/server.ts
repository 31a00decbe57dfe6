import type { IncomingMessage, ServerResponse } from 'node:http'
import { sleep, type Clock } from '../../../core/clock.ts'
import { AwsError } from './aws-error.ts'
import { randomId } from '../chance.ts'
import { cloudMapFaults, faultError, type CloudMapFaults } from './faults.ts'
import { discoverOperations } from './discover-operations.ts'
import type { Handler } from './handler.ts'
import { parseInput } from './input.ts'
import { instanceOperations } from './instance-operations.ts'
import { LOOPBACK, LoopbackHttp, readBody, sendJson } from '../loopback-http.ts'
import { namespaceOperations } from './namespace-operations.ts'
import type { Registry } from '../registry.ts'
import { serviceOperations } from './service-operations.ts'

const OPERATIONS: ReadonlyMap<string, Handler> = new Map(
  Object.entries({
    ...discoverOperations,
    ...instanceOperations,
    ...namespaceOperations,
    ...serviceOperations,
  }),
)
const TARGET_PREFIX = 'Route53AutoNaming_v20170314.'
const CONTENT_TYPE = 'application/x-amz-json-1.1'

/**
 * The Cloud Map API in AWS JSON 1.1: every request is a POST to `/`, with the operation in `X-Amz-Target`.
 * Signatures are not checked; any credentials will do.
 */
export class CloudMapServer {
  readonly faults: CloudMapFaults = cloudMapFaults()

  readonly #registry: Registry
  readonly #clock: Clock
  readonly #calls: Record<string, number> = {}
  readonly #closing = new AbortController()
  readonly #http = new LoopbackHttp((request, response) => void this.#serve(request, response))

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry
    this.#clock = clock
    registry.operations.fault = () =>
      this.faults.failOperations
        ? new AwsError('INTERNAL_FAILURE', 'the operation failed as scripted')
        : undefined
  }

  get endpoint(): string {
    return `http://${LOOPBACK}:${this.#http.port}`
  }

  /** How often each operation was asked for, retries and faulty answers included. */
  get calls(): Readonly<Record<string, number>> {
    return this.#calls
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
    this.#calls[operation] = (this.#calls[operation] ?? 0) + 1
    const { answer, delayMs, only } = this.faults
    const faulty = only === undefined || only.includes(operation)
    try {
      const body = await readBody(request)
      if (faulty && delayMs > 0) await sleep(this.#clock, delayMs, this.#closing.signal)
      if (faulty && answer === 'hang') return
      if (faulty && answer === 'garbage') {
        response.writeHead(200, { 'content-type': CONTENT_TYPE }).end('<html>not what you asked for</html>')
        return
      }
      this.#answer(operation, body, faulty ? answer : 'normal', response)
    } catch {
      // The client went away, or this server closes: no caller waits for an answer.
      response.destroy()
    }
  }

  #answer(operation: string, body: string, fault: CloudMapFaults['answer'], response: ServerResponse): void {
    try {
      const error = faultError(fault, operation, this.#registry.accountId)
      if (error !== undefined) throw error
      const handler = OPERATIONS.get(operation)
      if (handler === undefined) throw new AwsError('UnknownOperationException', `no operation ${operation}`)
      sendJson(response, 200, CONTENT_TYPE, handler(this.#registry, parseInput(body)))
    } catch (error) {
      if (error instanceof AwsError) sendJson(response, error.status, CONTENT_TYPE, error)
      else sendJson(response, 500, CONTENT_TYPE, new AwsError('InternalFailure', String(error), 500))
    }
  }
}
