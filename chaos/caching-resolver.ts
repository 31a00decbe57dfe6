import { decode, encode, type Answer, type DecodedPacket } from 'dns-packet'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { AddressInfo } from 'node:net'

interface Known {
  readonly answers: readonly Answer[]
  readonly storedAt: number
  readonly freshUntil: number
}

const ANSWERED_WITHIN_MS = 2_000

/**
 * What stands between a task and Route 53: a resolver that keeps answers for their TTL, and gives them out with what
 * is left of it. Whoever asks again early, or right after a change, gets the old answer. UDP only.
 */
export class CachingResolver implements AsyncDisposable {
  readonly #authority: AddressInfo
  readonly #socket: Socket = createSocket('udp4')
  readonly #known = new Map<string, Known>()
  readonly #asking = new Set<Socket>()

  private constructor(authority: string) {
    const { hostname, port } = new URL(`udp://${authority}`)
    this.#authority = { address: hostname, port: Number(port), family: 'IPv4' }
    this.#socket.on('message', (message, asker) => this.#serve(message, asker))
  }

  /** @param authority `127.0.0.1:PORT` of the server that knows */
  static async start(authority: string): Promise<CachingResolver> {
    const resolver = new CachingResolver(authority)
    await new Promise<void>((resolve) => resolver.#socket.bind(0, '127.0.0.1', resolve))
    return resolver
  }

  get port(): number {
    return this.#socket.address().port
  }

  /** `127.0.0.1:PORT` */
  get server(): string {
    return `127.0.0.1:${this.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#asking) socket.close()
    this.#asking.clear()
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }

  #serve(message: Buffer, asker: RemoteInfo): void {
    const query = decode(message)
    const known = this.#known.get(keyOf(query))
    if (known !== undefined && performance.now() < known.freshUntil) this.#replyFrom(known, query, asker)
    else this.#ask(message, asker)
  }

  #replyFrom({ answers, storedAt }: Known, query: DecodedPacket, asker: RemoteInfo): void {
    const ageSeconds = Math.floor((performance.now() - storedAt) / 1_000)
    const aged = answers.map((answer) => ({ ...answer, ttl: ttlOf(answer) - ageSeconds }) as Answer)
    const reply = encode({
      type: 'response',
      id: query.id ?? 0,
      flags: RECURSION_DESIRED_AND_AVAILABLE,
      questions: query.questions ?? [],
      answers: aged,
    })
    this.#socket.send(reply, asker.port, asker.address)
  }

  /** Passes the question on as it is, and the answer, whatever it says. One that does not come is nobody's. */
  #ask(message: Buffer, asker: RemoteInfo): void {
    const upstream = createSocket('udp4')
    this.#asking.add(upstream)
    const end = (): void => {
      clearTimeout(late)
      if (this.#asking.delete(upstream)) upstream.close()
    }
    const late = setTimeout(end, ANSWERED_WITHIN_MS)
    upstream.on('error', end)
    upstream.once('message', (reply) => {
      end()
      this.#keep(decode(reply))
      this.#socket.send(reply, asker.port, asker.address)
    })
    upstream.send(message, this.#authority.port, this.#authority.address)
  }

  #keep(reply: DecodedPacket): void {
    const { answers = [] } = reply
    if (answers.length === 0) return
    const storedAt = performance.now()
    const freshUntil = storedAt + 1_000 * Math.min(...answers.map(ttlOf))
    this.#known.set(keyOf(reply), { answers, storedAt, freshUntil })
  }
}

// RD and RA of RFC 1035, section 4.1.1.
const RECURSION_DESIRED_AND_AVAILABLE = 0x0180

function keyOf({ questions = [] }: DecodedPacket): string {
  return questions.map(({ name, type }) => `${name.toLowerCase()} ${type}`).join()
}

function ttlOf(answer: Answer): number {
  return 'ttl' in answer ? (answer.ttl ?? 0) : 0
}
