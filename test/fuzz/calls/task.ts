/** A task that answers well, badly or not at all, as a seed decides for each request. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { delivered } from '../../support/delivered.ts'
import { httpServer, type Accept, type Transport } from '../../support/transports/transports.ts'
import { Draw } from './draw.ts'
import type { Ledger } from './ledger.ts'
import { isWhole, textOf } from './messages.ts'

/** What becomes of connections. */
type Mood = 'up' | 'refuses' | 'resets' | 'mute'

const MOODS: Readonly<Record<Mood, number>> = { up: 6, refuses: 2, resets: 1, mute: 1 }

/** What becomes of a request, and how often. */
const MANNERS = {
  answers: 30,
  'answers late': 8,
  'answers before it reads': 3,
  'drips its answer': 4,
  'sends hints first': 3,
  'says Continue unasked': 1,
  'fails with 503': 4,
  'fails with 500': 1,
  'fails with 504 before it reads': 2,
  'refuses with 429': 2,
  'gives up with 408': 1,
  'says that it drains': 2,
  'closes after its answer': 4,
  hangs: 2,
  'hangs within its answer': 2,
  'resets before it reads': 2,
  'resets while it reads': 2,
  'resets when it has read': 2,
  'resets within its headers': 1,
  'resets within its answer': 2,
  'ends within its answer': 2,
  'talks nonsense': 1,
} as const
const HTTP2_MANNERS = {
  ...MANNERS,
  // Of HTTP/1.1, byte by byte.
  'resets within its headers': 0,
  'talks nonsense': 0,
  // An upload that is not read has Node's server reset the stream with NO_ERROR, which may overtake the answer. undici takes
  // what came until then for whole.
  'answers before it reads': 0,
  'fails with 504 before it reads': 0,
  // HTTP/2 has no headers of the connection.
  'says that it drains': 0,
  'gives up with 408': 0,
  'refuses the stream': 3,
  'breaks the stream': 2,
  /**
   * undici 8.12 leaves a session that had GOAWAY to itself: `destroy` does not reach its calls and connection, and when that
   * is reset, it takes what came of its responses for whole.
   */
  'says goodbye': 0,
} as const
type Manner = keyof typeof HTTP2_MANNERS

/** Those that say that nothing was done: the call may go elsewhere, whatever it is. */
const REFUSALS: ReadonlySet<Manner> = new Set(['refuses with 429', 'refuses the stream'])

// RFC 9113 section 7.
const REFUSED_STREAM = 7
const INTERNAL_ERROR = 2

/** Pieces of an answer that comes slowly. */
const DRIPS = 4

export class FuzzTask {
  readonly address: string
  readonly sockets: Set<Socket> = new Set()
  readonly #seed: string
  readonly #transport: Transport
  readonly #ledger: Ledger
  readonly #accept: Accept
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #seen = new Map<string, number>()
  #listener: Server | undefined
  #mood: Mood = 'up'
  port = 0

  constructor(seed: string, address: string, transport: Transport, ledger: Ledger) {
    this.#seed = seed
    this.address = address
    this.#transport = transport
    this.#ledger = ledger
    const { accept, server } = httpServer(transport, (request, response) => this.#take(request, response))
    this.#accept = accept
    // Those who ask whether they may go on with their body. Not all tasks say so.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      const { stream } = response as unknown as Partial<Http2ServerResponse>
      if (stream?.destroyed !== true && new Draw(this.#seed, request.url ?? '').chance(0.8))
        response.writeContinue()
      this.#take(request, response)
    })
    server.on('upgrade', (request: IncomingMessage, socket: Socket) => this.#upgrade(request, socket))
  }

  get label(): string {
    return `${this.address}:${this.port}`
  }

  async listen(): Promise<void> {
    const listener = createServer({ noDelay: true }, (socket) => this.#connect(socket))
    this.#listener = listener
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(this.port, this.address, resolve)
    })
    this.port = (listener.address() as AddressInfo).port
  }

  /** A mood for a while. */
  async change(draw: Draw): Promise<void> {
    this.#mood = draw.weighted(MOODS)
    if (this.#mood === 'refuses') {
      this.#listener?.close()
      this.#listener = undefined
      // A process that is gone takes its connections with it; a listener alone does not.
      if (draw.chance(0.5)) for (const socket of this.sockets) socket.resetAndDestroy()
      // What has the port meanwhile keeps it.
    } else if (this.#listener === undefined) await this.listen().catch(() => undefined)
  }

  async end(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const socket of this.sockets) socket.destroy()
    const listener = this.#listener
    this.#listener = undefined
    if (listener !== undefined) await new Promise((resolve) => listener.close(resolve))
  }

  #connect(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.sockets.delete(socket))
    if (this.#mood === 'resets') socket.resetAndDestroy()
    // What comes in is read, or its end would never be noticed.
    else if (this.#mood === 'mute') socket.resume()
    else this.#accept(socket)
  }

  #later(act: () => void, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, delayMs)
    this.#timers.add(timer)
  }

  #drawFor(id: string): Draw {
    const time = (this.#seen.get(id) ?? 0) + 1
    this.#seen.set(id, time)
    return new Draw(this.#seed, this.address, id, time)
  }

  #upgrade(request: IncomingMessage, socket: Socket): void {
    const id = String(request.headers['x-id'])
    const draw = this.#drawFor(id)
    socket.on('error', () => undefined)
    const manner = draw.weighted({ takes: 6, refuses: 1, resets: 1, hangs: 1 })
    this.#ledger.reached(id, this.label, `${manner} the switch`, true)
    if (manner === 'resets') socket.resetAndDestroy()
    if (manner === 'refuses') socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
    if (manner !== 'takes') return
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.pipe(socket)
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const id = String(request.headers['x-id'])
    const draw = this.#drawFor(id)
    const http2 = this.#transport.protocol === 'HTTP/2'
    const manner: Manner = http2 ? draw.weighted(HTTP2_MANNERS) : draw.weighted(MANNERS)
    this.#ledger.reached(id, this.label, manner, !REFUSALS.has(manner))
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    this.#behave(manner, request, response, id, draw)
  }

  /** Reads all of a body and judges it, then acts. */
  #read(request: IncomingMessage, id: string, act: () => void): void {
    const length = Number(request.headers['x-body'])
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.once('end', () => {
      const got = Buffer.concat(chunks)
      const { stream } = request as unknown as Partial<Http2ServerResponse>
      const judge = (): void => {
        if (request.aborted || stream?.destroyed === true) return
        if (!isWhole(got, id, length, request.headers['content-type']))
          this.#ledger.fault(`a body of ${length} came in ${got.length} bytes, as if whole`, id)
        act()
      }
      // undici resets the streams of aborted calls with NO_ERROR. Node's server tells of an end then, and of an abort after it
      // unless it has answered.
      if (stream !== undefined && got.length < length) void delivered().then(judge)
      else judge()
    })
  }

  #behave(manner: Manner, request: IncomingMessage, response: ServerResponse, id: string, draw: Draw): void {
    const { method = '' } = request
    const socket = request.socket
    const { stream } = response as unknown as Partial<Http2ServerResponse>
    const session = stream?.session
    const length = draw.of([0, 10, 500, 20_000, 150_000])
    const text = textOf(id, length)
    const head = (status: number, headers: Record<string, string> = {}): void => {
      if (response.headersSent || response.destroyed || stream?.destroyed === true) return
      const told = draw.chance(0.5) && status !== 204 ? { 'content-length': String(length) } : {}
      response.writeHead(status, { 'x-length': String(length), ...told, ...headers })
    }
    const finish = (): void =>
      void (stream?.destroyed === true || response.end(method === 'HEAD' ? undefined : text))
    const answer = (status = 200, headers: Record<string, string> = {}): void => {
      head(status, headers)
      finish()
    }
    const whenRead = (act: () => void): void => this.#read(request, id, act)
    // Of HTTP/2's request, the socket is there as long as the stream is.
    const reset: () => void = socket.resetAndDestroy?.bind(socket) ?? (() => undefined)
    const part = (): void => {
      head(200, { 'content-length': String(length + 10) })
      if (method !== 'HEAD' && stream?.destroyed !== true)
        response.write(textOf(id, Math.max(1, length >> 1)))
    }
    // Not by the session: it resets streams with CANCEL, which undici takes for the end of a response.
    const close = (): void => void (stream === undefined ? socket.destroy() : reset())
    const afterMs = draw.integer(1, 40)
    const soon = (act: () => void): void => this.#later(act, afterMs)
    switch (manner) {
      case 'answers':
        whenRead(() => answer())
        break
      case 'answers late':
        whenRead(() => this.#later(() => answer(), draw.integer(1, 150)))
        break
      case 'answers before it reads':
        answer()
        break
      case 'drips its answer':
        whenRead(() => {
          head(200)
          if (method === 'HEAD') return finish()
          const size = Math.max(1, Math.ceil(text.length / DRIPS))
          const dripMs = draw.integer(1, 20)
          // One after the other: timers of different lengths fire in any order when they are late.
          const drip = (index: number): void => {
            if (stream?.destroyed === true) return
            const piece = text.slice(index * size, (index + 1) * size)
            if (index === DRIPS - 1) response.end(piece)
            else {
              if (piece !== '') response.write(piece)
              this.#later(() => drip(index + 1), dripMs)
            }
          }
          drip(0)
        })
        break
      case 'sends hints first':
        if (stream?.destroyed !== true) response.writeEarlyHints({ link: '</a.css>; rel=preload' })
        whenRead(() => soon(() => answer()))
        break
      case 'says Continue unasked':
        if (stream?.destroyed !== true) response.writeContinue()
        whenRead(() => soon(() => answer()))
        break
      case 'fails with 503':
        whenRead(() => answer(503, draw.chance(0.3) ? { 'retry-after': draw.of(['0', '1']) } : {}))
        break
      case 'fails with 500':
        whenRead(() => answer(500))
        break
      case 'fails with 504 before it reads':
        answer(504)
        break
      case 'refuses with 429':
        whenRead(() => answer(429, { 'retry-after': '0' }))
        break
      case 'gives up with 408':
        whenRead(() => answer(408, { connection: 'close' }))
        break
      case 'says that it drains':
        whenRead(() => answer(200, { connection: 'close' }))
        break
      case 'closes after its answer':
        response.once('finish', () => this.#later(close, draw.integer(0, 3)))
        whenRead(() => answer())
        break
      case 'hangs':
        request.resume()
        break
      case 'hangs within its answer':
        whenRead(part)
        break
      case 'resets before it reads':
        reset()
        break
      case 'resets while it reads':
        request.once('data', () => reset())
        request.once('end', () => reset())
        break
      case 'resets when it has read':
        whenRead(() => soon(() => reset()))
        break
      case 'resets within its headers':
        whenRead(() => void socket.write('HTTP/1.1 200 OK\r\nx-len', () => soon(() => reset())))
        break
      case 'resets within its answer':
        whenRead(() => {
          part()
          soon(() => reset())
        })
        break
      case 'ends within its answer':
        whenRead(() => {
          part()
          soon(() => void (stream === undefined ? socket.end() : reset()))
        })
        break
      case 'talks nonsense':
        whenRead(() => void socket.end('SSH-2.0-OpenSSH_9.6\r\n'))
        break
      case 'refuses the stream':
        stream?.close(REFUSED_STREAM)
        break
      case 'breaks the stream':
        whenRead(() => {
          if (draw.chance(0.5)) part()
          soon(() => stream?.close(INTERNAL_ERROR))
        })
        break
      case 'says goodbye':
        // GOAWAY with the last stream that it will answer: those after it were not processed.
        whenRead(() => {
          if (session?.destroyed === false) session.close()
          soon(() => answer())
        })
        break
    }
  }
}
