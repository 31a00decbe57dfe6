/** One call, as a seed decides, by one of the ways in which callers make them; and all that must hold of it. */
import { setTimeout as delay } from 'node:timers/promises'
import { eventNames, onEvent, type Client } from 'onehop'
import type { Dispatcher } from 'undici'
import { Draw } from './draw.ts'
import type { CallRecord, Ledger } from './ledger.ts'
import { drawBody, NO_BODY, textOf, type Body } from './messages.ts'

export interface CallWorld {
  readonly seed: string
  readonly client: Client
  readonly origin: string
  readonly ledger: Ledger
  readonly maxReplayBytes: number
  readonly http2: boolean
}

export interface MadeCall {
  readonly record: CallRecord
  readonly body: Body
  /** Settles when the call has ended, however it did. */
  readonly ended: Promise<void>
  /** Ends the call, as every caller does who has waited long enough. */
  readonly leave: () => void
}

const METHODS = { GET: 8, POST: 8, 'POST+key': 4, PUT: 4, DELETE: 1, HEAD: 1, PATCH: 2 } as const
const WAYS = { dispatch: 8, request: 3, fetch: 2, upgrade: 1 } as const
const ABORTS = { never: 10, later: 4, 'at once': 1, 'in a callback': 2, 'in an event': 1 } as const
const CALLBACKS = [
  'onRequestStart',
  'onBodySent',
  'onRequestSent',
  'onResponseStart',
  'onResponseData',
] as const

interface Plan {
  readonly id: string
  readonly way: keyof typeof WAYS
  readonly options: Omit<Dispatcher.DispatchOptions, 'origin'>
  readonly body: Body
  readonly abort: keyof typeof ABORTS
  readonly abortAfterMs: number
  readonly callback: (typeof CALLBACKS)[number]
  readonly throws: boolean
  readonly pauses: boolean
  readonly reads: 'all' | 'late' | 'dump' | 'leave'
}

function planOf({ seed, maxReplayBytes, http2 }: CallWorld, number: number): Plan {
  const draw = new Draw(seed, 'call', number)
  const id = `call-${number}`
  const kind = draw.weighted(METHODS)
  const drawn = draw.weighted(WAYS)
  // Over HTTP/2 a switch is another thing, which the tasks here do not know.
  const way = drawn === 'upgrade' && http2 ? 'dispatch' : drawn
  const method = way === 'upgrade' ? 'GET' : kind === 'POST+key' ? 'POST' : kind
  const mayHaveBody = method !== 'GET' && method !== 'HEAD' && draw.chance(0.8)
  const body = mayHaveBody ? drawBody(draw, id, maxReplayBytes, way === 'fetch') : NO_BODY
  const headers: Record<string, string> = { 'x-id': id, 'x-body': String(body.length) }
  if (kind === 'POST+key' && way !== 'upgrade') headers['idempotency-key'] = id
  const expectContinue = http2 && draw.chance(0.1)
  return {
    id,
    way,
    options: {
      path: `/${id}`,
      method,
      headers,
      body: body.value as never,
      ...(expectContinue ? { expectContinue } : {}),
      ...(way === 'upgrade' ? { upgrade: 'echo' } : {}),
    },
    body,
    abort: draw.weighted(ABORTS),
    abortAfterMs: draw.integer(0, 150),
    callback: draw.of(CALLBACKS),
    throws: draw.chance(0.3),
    pauses: draw.chance(0.1),
    reads: draw.weighted({ all: 8, late: 1, dump: 1, leave: 1 }),
  }
}

export function makeCall(world: CallWorld, number: number): MadeCall {
  const { ledger } = world
  const plan = planOf(world, number)
  const { id, way, options, body, abort } = plan
  const repeatable =
    !['POST', 'PATCH'].includes(options.method) || 'idempotency-key' in (options.headers as object)
  const what = `${way} ${options.method}${repeatable ? '' : ' (once)'} of ${body.kind} (${body.length}), aborts ${abort}`
  const record = ledger.begin(id, !repeatable, what)
  const controller = new AbortController()
  const leave = (reason: string) => (): void => controller.abort(new Error(reason))

  const timer = abort === 'later' ? setTimeout(leave('later'), plan.abortAfterMs) : undefined
  const leaveInEvent = (): void => {
    // undici's fetch asserts, where nobody hears it, when its signal aborts before it has returned.
    if (way === 'fetch') queueMicrotask(leave('in an event'))
    else leave('in an event')()
  }
  const stops = abort === 'in an event' ? eventNames.map((name) => onEvent(name, leaveInEvent)) : []
  const made = way === 'dispatch' || way === 'upgrade' ? dispatched : way === 'request' ? requested : fetched
  const ended = made(world, plan, record, controller).finally(() => {
    clearTimeout(timer)
    for (const stop of stops) stop()
  })
  if (abort === 'at once') leave('at once')()
  return { record, body, ended, leave: leave('the end') }
}

/** A handler of undici's: the closest to the wire, and the one that sees the order of things. */
function dispatched(
  { client, origin, ledger }: CallWorld,
  { id, way, options, abort, callback, throws, pauses }: Plan,
  record: CallRecord,
  { signal }: AbortController,
): Promise<void> {
  const end = Promise.withResolvers<void>()
  const chunks: Buffer[] = []
  let started = 0
  let response: { status: number; length: string } | undefined
  let controller: Dispatcher.DispatchController | undefined
  const finish = (outcome: string): void => {
    ledger.end(record, outcome)
    end.resolve()
  }
  const told = (name: string): void => {
    if (record.hasEnded) ledger.fault(`${name} after the end`, id)
    if (name !== callback || abort !== 'in a callback') return
    if (throws) throw new Error('a bug')
    controller?.abort(new Error('in a callback'))
  }
  signal.addEventListener('abort', () => controller?.abort(signal.reason as Error), { once: true })
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(given) {
      controller = given
      if (++started > 1) ledger.fault('onRequestStart twice', id)
      if (signal.aborted) given.abort(signal.reason as Error)
      told('onRequestStart')
    },
    onBodySent: () => told('onBodySent'),
    onRequestSent: () => told('onRequestSent'),
    onResponseStart(given, status, headers) {
      if (response !== undefined) ledger.fault(`a ${status} after a ${response.status}`, id)
      if (status >= 200) response = { status, length: String(headers['x-length'] ?? '') }
      if (pauses) {
        given.pause()
        setTimeout(() => given.resume(), 20)
      }
      told('onResponseStart')
    },
    onResponseData(_given, chunk) {
      if (response === undefined) ledger.fault('data before a response', id)
      chunks.push(Buffer.from(chunk))
      told('onResponseData')
    },
    onResponseEnd() {
      judge(ledger, id, options.method, response?.status, response?.length, Buffer.concat(chunks).toString())
      finish(`status ${response?.status}`)
    },
    onResponseError: (_given, error) => finish(nameOf(error)),
    onRequestUpgrade(_given, status, _headers, socket) {
      if (way !== 'upgrade') ledger.fault(`a switch that nobody asked for (${status})`, id)
      socket.on('error', () => undefined)
      socket.destroy()
      finish(`switched ${status}`)
    },
  }
  client.dispatcher.dispatch({ ...options, origin }, handler)
  return end.promise
}

async function requested(
  { client, origin, ledger }: CallWorld,
  { id, options, reads }: Plan,
  record: CallRecord,
  { signal }: AbortController,
): Promise<void> {
  const { path, ...init } = options
  try {
    const { statusCode, headers, body } = await client.request(origin + path, { ...init, signal })
    if (reads === 'late') await delay(30)
    if (reads === 'dump') await body.dump()
    else if (reads === 'leave') {
      body.on('error', () => undefined)
      body.destroy()
    } else judge(ledger, id, options.method, statusCode, String(headers['x-length'] ?? ''), await body.text())
    ledger.end(record, `status ${statusCode}`)
  } catch (error) {
    ledger.end(record, nameOf(error))
  }
}

async function fetched(
  { client, origin, ledger }: CallWorld,
  { id, options, reads }: Plan,
  record: CallRecord,
  { signal }: AbortController,
): Promise<void> {
  const { path, method, headers, body } = options
  try {
    const init = { method, headers, body, signal, duplex: 'half' } as RequestInit
    const response = await client.fetch(origin + path, init)
    if (reads === 'late') await delay(30)
    if (reads === 'leave' || reads === 'dump') await response.body?.cancel()
    else
      judge(
        ledger,
        id,
        method,
        response.status,
        response.headers.get('x-length') ?? '',
        await response.text(),
      )
    ledger.end(record, `status ${response.status}`)
  } catch (error) {
    const { cause } = error as Error
    ledger.end(record, nameOf(cause ?? error))
  }
}

/** A response that has ended is whole. */
function judge(
  ledger: Ledger,
  id: string,
  method: string,
  status: number | undefined,
  length: string | undefined,
  text: string,
): void {
  if (status === undefined) return ledger.fault('ended without a response', id)
  const expected =
    method === 'HEAD' || length === undefined || length === '' ? '' : textOf(id, Number(length))
  if (text === expected) return
  let same = 0
  while (same < text.length && text[same] === expected[same]) same++
  const from = JSON.stringify(text.slice(same, same + 20))
  ledger.fault(
    `a ${status} of ${expected.length} bytes ended after ${text.length}, other from ${same} on: ${from}`,
    id,
  )
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : error.message.slice(0, 60)
}
