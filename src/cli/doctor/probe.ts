/**
 * One connection to one place, step by step: TCP, TLS, and a HEAD request. By sockets and not by a client of HTTP, so that
 * each step has its own time and its own error.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { inTime } from '../../core/async/with-timeout.ts'
import { currentDate, dateOf } from '../../core/clock.ts'
import { reasonOf } from '../../core/errors.ts'
import { schemePort } from '../../core/url-port.ts'
import { attentiveClock } from '../endpoints/busy-start.ts'

/** Where to, and how. */
export interface ProbeOptions {
  /** An address, or a name that Node looks up. */
  readonly address: string
  readonly port: number
  /** For `Host` and the TLS name. */
  readonly host: string
  readonly isTls: boolean
  readonly path: string
  /** In PEM [Node's own]. */
  readonly ca: string | undefined
  /** For each step. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What went wrong with a step. */
export interface StepFailure {
  /** Node's, e.g. `ECONNREFUSED`; or `TIMEOUT`, `CLOSED`, `NOT_HTTP`. */
  readonly code: string
  readonly message: string
}

/** How far it came. */
export type Probe =
  | ({ readonly step: 'connect' | 'tls' | 'http' } & StepFailure)
  | ({ readonly step: 'done' } & Answer)

/** What came back. */
export interface Answer {
  /** undefined: HTTP/2, whose answer is not read. */
  readonly status: number | undefined
  /** What its clock says minus what ours says, in ms; undefined without a Date header. */
  readonly clockOffsetMs: number | undefined
}

class StepError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Never rejects but with the reason of its signal: what goes wrong is the result. */
export async function probe(options: ProbeOptions): Promise<Probe> {
  const { address, port, isTls, timeoutMs, signal } = options
  const late = (): Error => new StepError('TIMEOUT', `nothing within ${timeoutMs} ms`)
  const within = <Value>(work: Promise<Value>): Promise<Value> =>
    inTime({ clock: attentiveClock, limitMs: timeoutMs, signal, late }, () => work)
  const tcp = connectTcp({ host: address, port })
  let step: 'connect' | 'tls' | 'http' = 'connect'
  try {
    await within(occurs(tcp, 'connect'))
    let socket: Socket = tcp
    if (isTls) {
      step = 'tls'
      const secured = connectTls({
        socket: tcp,
        // What the certificate has to name; an address is not sent to the server (RFC 6066 section 3).
        host: options.host,
        ...(isIP(options.host) === 0 && { servername: options.host }),
        ALPNProtocols: ['h2', 'http/1.1'],
        ...(options.ca !== undefined && { ca: options.ca }),
      })
      await within(occurs(secured, 'secureConnect'))
      if (secured.alpnProtocol === 'h2') return { step: 'done', status: undefined, clockOffsetMs: undefined }
      socket = secured
    }
    step = 'http'
    return { step: 'done', ...(await within(ask(socket, options))) }
  } catch (error) {
    signal.throwIfAborted()
    return { step, code: (error as NodeJS.ErrnoException).code ?? 'ERROR', message: reasonOf(error) }
  } finally {
    tcp.destroy()
  }
}

/** Resolves with the event; rejects if there is an error first, and takes the errors that come later. */
function occurs(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve())
    socket.on('error', reject)
    socket.once('close', () => reject(new StepError('CLOSED', 'the connection was closed')))
  })
}

/** Of the scheme. */
export function defaultPort(isTls: boolean): number {
  return schemePort(isTls ? 'https:' : 'http:')
}

const MAX_HEAD_BYTES = 16_384
/** RFC 9113 section 3.4: an HTTP/2 server begins with SETTINGS, which is type 4 on stream 0. */
function isHttp2(head: string): boolean {
  return head.length >= 9 && head.codePointAt(3) === 4 && head.slice(5, 9) === '\0\0\0\0'
}
const STATUS_LINE = /^HTTP\/1\.[01] (?<status>\d{3})/

async function ask(socket: Socket, { host, path, port, isTls }: ProbeOptions): Promise<Answer> {
  const place = port === defaultPort(isTls) ? host : `${host}:${port}`
  const askedAt = currentDate().getTime()
  socket.write(
    `HEAD ${path} HTTP/1.1\r\nHost: ${place}\r\nUser-Agent: onehop-doctor\r\nConnection: close\r\n\r\n`,
  )
  let head = ''
  for await (const piece of socket as AsyncIterable<Buffer>) {
    head += piece.toString('latin1')
    if (isHttp2(head)) return { status: undefined, clockOffsetMs: undefined }
    if (head.length >= 12 && !STATUS_LINE.test(head)) break
    if (head.includes('\r\n\r\n')) return answerOf(head, askedAt)
    if (head.length > MAX_HEAD_BYTES) break
  }
  throw head === ''
    ? new StepError('CLOSED', 'the connection was closed without an answer')
    : new StepError('NOT_HTTP', `the answer is not HTTP: ${JSON.stringify(head.slice(0, 40))}`)
}

function answerOf(head: string, askedAt: number): Answer {
  const status = Number(STATUS_LINE.exec(head)?.groups?.['status'])
  const date = dateOf(/^date: *(?<date>.+)$/im.exec(head)?.groups?.['date']?.trim() ?? '')
  if (date === undefined) return { status, clockOffsetMs: undefined }
  // Whole seconds, cut off: the middle of the second, against the middle of the exchange.
  const ourMs = (askedAt + currentDate().getTime()) / 2
  return { status, clockOffsetMs: date.getTime() + 500 - ourMs }
}
