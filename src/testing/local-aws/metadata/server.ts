import type { IncomingMessage, ServerResponse } from 'node:http'
import { sleep, type Clock, type Timer } from '../../../core/clock.ts'
import { randomPort, untilPortsAreFree } from '../../ports.ts'
import { LOOPBACK, LoopbackHttp, readBody, sendGarbage, sendJson } from '../loopback-http.ts'
import { metadataFaults, type MetadataFaults } from './faults.ts'
import type { LocalMetadata } from './local-metadata.ts'
import { containerV3, containerV4, statsOf, taskV3, taskV4 } from './task-metadata.ts'
import { TaskProtection } from '../ecs/task-protection.ts'
import type { LocalContainer, LocalTask } from '../ecs/task.ts'

const CONTENT_TYPE = 'application/json'
const PROTECTION = '/task-protection/v1/state'
const PATH = /^\/(?<api>v3|v4|api)\/(?<id>[^/]+)(?<rest>\/.*)?$/

/** The task metadata endpoints of version 4 and 3, and the agent's task protection. */
export class MetadataServer implements LocalMetadata {
  readonly task: LocalTask
  readonly faults: MetadataFaults = metadataFaults()
  readonly protection: TaskProtection
  requests = 0

  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #http = new LoopbackHttp((request, response) => void this.#serve(request, response))
  /** Listening and stopping take turns. */
  #turn: Promise<void> = Promise.resolve()
  #opening: Timer | undefined

  constructor(task: LocalTask, clock: Clock) {
    this.task = task
    this.protection = new TaskProtection(task, clock)
    this.#clock = clock
  }

  get uriV4(): string {
    return this.#uri('v4')
  }

  get uriV3(): string {
    return this.#uri('v3')
  }

  get env(): Readonly<Record<string, string>> {
    return {
      ECS_CONTAINER_METADATA_URI_V4: this.uriV4,
      ECS_CONTAINER_METADATA_URI: this.uriV3,
      ECS_AGENT_URI: this.#uri('api'),
      AWS_EXECUTION_ENV: `AWS_ECS_${this.task.launchType}`,
      AWS_REGION: this.task.region,
      AWS_DEFAULT_REGION: this.task.region,
    }
  }

  get protectionEnabled(): boolean {
    return this.protection.enabled
  }

  listen(): Promise<void> {
    return untilPortsAreFree(() => this.#http.listen(randomPort()))
  }

  async refuseConnections(forMs?: number): Promise<void> {
    this.#opening?.cancel()
    await this.#inTurn(() => this.#http.stop())
    if (forMs !== undefined && !this.#closing.signal.aborted)
      this.#opening = this.#clock.setTimer(() => void this.acceptConnections(), forMs)
  }

  acceptConnections(): Promise<void> {
    this.#opening?.cancel()
    return this.#inTurn(async () => {
      if (!this.#closing.signal.aborted && !this.#http.listening) await this.#http.listen()
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.refuseConnections()
  }

  #uri(api: 'v4' | 'v3' | 'api'): string {
    return `http://${LOOPBACK}:${this.#http.port}/${api}/${this.task.containers[0]?.id ?? 'none'}`
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step)
    this.#turn = done.catch(() => {})
    return done
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++
    const { answer, delayMs } = this.faults
    try {
      if (this.faults.resets > 0) {
        this.faults.resets--
        request.socket.resetAndDestroy()
        return
      }
      const body = await readBody(request)
      if (isProtection(request) && (await this.#holdsProtectionBack())) return
      if (delayMs > 0) await sleep(this.#clock, delayMs, this.#closing.signal)
      this.#answer(request, body, answer, response)
    } catch {
      // The client went away, or this server closes: no caller waits for an answer.
      response.destroy()
    }
  }

  /** @returns whether it is never answered */
  async #holdsProtectionBack(): Promise<boolean> {
    const { answer, delayMs } = this.protection.faults
    if (delayMs > 0) await sleep(this.#clock, delayMs, this.#closing.signal)
    return answer === 'hang'
  }

  #answer(
    request: IncomingMessage,
    body: string,
    fault: MetadataFaults['answer'],
    response: ServerResponse,
  ): void {
    const send = (status: number, answer: unknown): void => sendJson(response, status, CONTENT_TYPE, answer)
    switch (fault) {
      case 'hang':
        return
      case 'error':
        return send(500, 'metadata handler: unable to generate metadata')
      case 'unknown-task':
        return send(404, 'metadata handler: unable to get the task')
      case 'not-json':
        return sendGarbage(response, CONTENT_TYPE)
      case 'normal': {
        const { status, body: answer } = this.#route(request, body)
        return send(status, answer)
      }
    }
  }

  #route(request: IncomingMessage, body: string): { status: number; body: unknown } {
    const { api, id, rest = '' } = PATH.exec(request.url ?? '')?.groups ?? {}
    const container = this.task.containers.find((entry) => entry.id === id)
    if (container === undefined)
      return { status: 404, body: `metadata handler: no container for ${request.url}` }
    if (api === 'api' && rest === PROTECTION) {
      if (request.method === 'PUT') return this.protection.put(body)
      if (request.method === 'GET') return this.protection.get()
    }
    const answer = request.method === 'GET' ? this.#metadata(api, rest, container) : undefined
    if (answer === undefined)
      return { status: 404, body: `metadata handler: nothing at ${request.method} ${request.url}` }
    return { status: 200, body: answer }
  }

  #metadata(api: string | undefined, rest: string, container: LocalContainer): object | undefined {
    if (api === 'api') return undefined
    const task = api === 'v4' ? taskV4 : taskV3
    switch (rest) {
      case '':
        return api === 'v4' ? containerV4(this.task, container) : containerV3(this.task, container)
      case '/task':
        return task(this.task)
      case '/taskWithTags':
        return { ...task(this.task), TaskTags: this.task.tags }
      case '/stats':
        return statsOf(container)
      case '/task/stats':
        return Object.fromEntries(this.task.containers.map((entry) => [entry.id, statsOf(entry)]))
      default:
        return undefined
    }
  }
}

function isProtection({ url = '' }: IncomingMessage): boolean {
  return url.endsWith(PROTECTION)
}
