/**
 * What a connection costs before it carries a call, measured apart from the load: lookup, TCP, TLS, and the first call of a
 * client that knows nothing, beside the call after it.
 */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { inTime } from '../../core/async/with-timeout.ts'
import type { Clock } from '../../core/clock.ts'
import { sendOnce } from '../load/open-loop.ts'
import { isDirect, type ArmOptions, type Way } from './arm.ts'
import { makeArm } from './make-arm.ts'

/** In ms, one number for each try that succeeded. */
export interface SetUp {
  /** Discovery by a client that knows nothing, or the system's lookup of the load balancer's name. */
  readonly lookupMs: number[]
  readonly tcpMs: number[]
  /** A full handshake; none over HTTP. */
  readonly tlsMs: number[]
  /** A handshake that resumes the session of the one before. */
  readonly resumedMs: number[]
  /** The first call of a client: lookup, connection and call. */
  readonly coldCallMs: number[]
  /** The second call of that client, on a connection that is there. */
  readonly warmCallMs: number[]
  /** Tries that failed, in whole or in part. */
  failed: number
}

interface Place {
  readonly address: string
  readonly port: number
}

export function newSetUp(): SetUp {
  return {
    lookupMs: [],
    tcpMs: [],
    tlsMs: [],
    resumedMs: [],
    coldCallMs: [],
    warmCallMs: [],
    failed: 0,
  }
}

/**
 * One try: a client and connections that are thrown away.
 * @param signal cancels it
 * @throws the signal's reason
 */
export async function trySetUp(
  way: Way,
  options: ArmOptions,
  clock: Clock,
  timeoutMs: number,
  turn: number,
  results: SetUp,
  signal: AbortSignal,
): Promise<void> {
  const arm = makeArm(way, options, clock)
  try {
    const cold = await sendOnce(arm.target, clock, timeoutMs, signal)
    const warm = await sendOnce(arm.target, clock, timeoutMs, signal)
    if (cold.failure !== undefined || warm.failure !== undefined) results.failed++
    else {
      results.coldCallMs.push(cold.ms)
      results.warmCallMs.push(warm.ms)
    }
  } finally {
    await arm.close()
  }
  try {
    const late = (): Error => new Error('the set-up takes too long')
    await inTime({ clock, limitMs: timeoutMs, signal, late }, async (own) => {
      const places = await lookUp(way, options, clock, results)
      const place = places[turn % places.length]
      if (place !== undefined) await connectTo(place, way, options, clock, own, results)
    })
  } catch {
    signal.throwIfAborted()
    // Counted; the load shows the kinds of errors.
    results.failed++
  }
}

async function lookUp(way: Way, options: ArmOptions, clock: Clock, results: SetUp): Promise<Place[]> {
  const { url, fallback } = options
  const start = clock.now()
  if (isDirect(way)) {
    const arm = makeArm(way, options, clock)
    try {
      const snapshot = await arm.client?.resolve(url.hostname)
      results.lookupMs.push(clock.now() - start)
      const written = url.port === '' ? options.client.port : portOf(url)
      return (snapshot?.endpoints ?? []).map(({ address, port }) => ({
        address,
        port: written ?? port ?? portOf(url),
      }))
    } finally {
      await arm.close()
    }
  }
  const target = fallback ?? url
  const host = target.hostname.replaceAll(/^\[|\]$/g, '')
  const addresses = await lookup(host, { all: true })
  if (isIP(host) === 0) results.lookupMs.push(clock.now() - start)
  return addresses.map(({ address }) => ({ address, port: portOf(target) }))
}

async function connectTo(
  { address, port }: Place,
  way: Way,
  { url, fallback, tls, allowH2 }: ArmOptions,
  clock: Clock,
  signal: AbortSignal,
  results: SetUp,
): Promise<void> {
  const target = isDirect(way) ? url : (fallback ?? url)
  const secure = {
    ...tls,
    ALPNProtocols: allowH2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    ...(isIP(target.hostname) === 0 ? { servername: target.hostname } : {}),
  }
  let session: Buffer | undefined
  for (const times of [results.tlsMs, results.resumedMs]) {
    const start = clock.now()
    const socket = connect({ host: address, port, noDelay: true })
    socket.on('error', () => undefined)
    try {
      await once(socket, 'connect', { signal })
      if (session === undefined) results.tcpMs.push(clock.now() - start)
      if (target.protocol === 'http:') return
      session = await handshake(socket, secure, session, clock, signal, times)
      if (session === undefined) return
    } finally {
      socket.destroy()
    }
  }
}

/**
 * @param resumed the session to resume
 * @returns the session to resume next; undefined if there is none
 */
async function handshake(
  socket: Socket,
  options: ConnectionOptions,
  resumed: Buffer | undefined,
  clock: Clock,
  signal: AbortSignal,
  times: number[],
): Promise<Buffer | undefined> {
  const start = clock.now()
  const secure = connectTls({ ...options, socket, ...(resumed === undefined ? {} : { session: resumed }) })
  // After `once` has heard of the connection, a reset would be an error that nothing listens to.
  secure.on('error', () => undefined)
  // TLS 1.3 hands over its tickets after the handshake, and they are read as data is.
  const session = Promise.withResolvers<Buffer | undefined>()
  secure.once('session', session.resolve)
  await once(secure, 'secureConnect', { signal })
  if (resumed === undefined || secure.isSessionReused()) times.push(clock.now() - start)
  secure.resume()
  const timer = clock.setTimer(() => session.resolve(undefined), TICKET_MS, true)
  const ticket = resumed === undefined ? await session.promise : undefined
  timer.cancel()
  secure.destroy()
  return ticket
}

/** A server that sends no ticket is not waited for any longer. */
const TICKET_MS = 500

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}
