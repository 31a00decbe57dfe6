/** Lookups of a client on virtual time, over real sockets. */
import { subscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'
import type { Client } from 'onehop'
import type { LocalAws, ManualClock } from 'onehop/testing'
import { tcpSocketsTo, udpSockets } from './open-sockets.ts'

/** A client that looks up a host. */
export interface Looking {
  readonly client: Client
  readonly host: string
  /** Its sources. */
  readonly aws: LocalAws
  /** Its time. */
  readonly clock: ManualClock
}

const STEP_MS = 250

/** Requests of the AWS SDK that have not got their whole response. */
const requests = new Set<ClientRequest>()
subscribe('http.client.request.created', (message) => {
  const { request } = message as { request: ClientRequest }
  requests.add(request)
  request.once('close', () => requests.delete(request))
})

/** Loads what discovery loads with its first lookup: virtual time would run ahead of it. */
export async function preload(): Promise<void> {
  await Promise.all([
    import('../../src/discovery/dns/wire/exchange.ts'),
    import('@aws-sdk/client-servicediscovery'),
  ])
}

/** Virtual time, step by step: what each step sets off is given its real time. */
export async function timePasses(looking: Looking, ms: number, stepMs: number = STEP_MS): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await looking.clock.advance(stepMs)
    await settled(looking)
  }
}

/** What comes of work that waits for a lookup, which may have to wait for virtual time. The work itself takes none. */
export async function whileTimePasses<Result>(looking: Looking, work: Promise<Result>): Promise<Result> {
  const wait = { isOver: false }
  const over = (): void => void (wait.isOver = true)
  work.then(over, over)
  while (!wait.isOver) {
    await settled(looking)
    if (hasLookupUnderWay(looking)) await looking.clock.advance(STEP_MS)
    else await turn()
  }
  return work
}

/**
 * Real time for what virtual time has set off: until no lookup is under way, or it waits for virtual time. An answer that comes
 * is waited for, however busy this machine is.
 */
export async function settled(looking: Looking): Promise<void> {
  for (let turns = 0; ;) {
    if (!isAnswerComing(looking.aws)) {
      if (!hasLookupUnderWay(looking) || turns >= maxTurns(looking.aws)) return
      turns++
    }
    await turn()
  }
}

function hasLookupUnderWay({ client, host }: Looking): boolean {
  const { lookups = 0, refreshes = 0, failedLookups = 0 } = client.inspect().services[host] ?? {}
  return lookups > refreshes + failedLookups
}

/** How long a lookup may work without a request, in turns of a millisecond. */
function maxTurns({ dns, cloudMap }: LocalAws): number {
  const api = cloudMap.faults.answer
  // It ends by itself.
  if (api === 'normal' && dns.faults.answer === 'normal') return 300
  // Then the SDK waits before its second try, on real time.
  return api === 'normal' || api === 'hang' ? 3 : 20
}

/** Requests and sockets that were under way when no answer was given. */
const unanswered = new WeakSet<object>()

function isAnswerComing({ dns, cloudMap }: LocalAws): boolean {
  const { answer } = dns.faults
  const isSilent = answer === 'drop' || answer === 'wrong-id'
  const [udp, tcp] = [udpSockets(), tcpSocketsTo(Number(dns.server.split(':')[1]))]
  if (cloudMap.faults.answer === 'hang') for (const request of requests) unanswered.add(request)
  if (isSilent || answer === 'wrong-port') for (const socket of udp) unanswered.add(socket)
  if (isSilent) for (const socket of tcp) unanswered.add(socket)
  return [...requests, ...udp, ...tcp].some((one) => !unanswered.has(one))
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1))
}
