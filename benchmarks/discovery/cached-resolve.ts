/** The cost of discovery for a call on a cached service. */
import { MetadataLocation } from '../../src/caller-location.ts'
import { createClient } from 'onehop'
import { startLocalAws } from 'onehop/testing'
import { interceptors, type Dispatcher, type Pool } from 'undici'
import { systemClock, systemRandom } from '../../src/core/clock.ts'
import { SnapshotCache } from '../../src/discovery/cache.ts'
import { dnsResolver } from '../../src/discovery/dns/resolver.ts'
import { DiscoveryDispatcher, type Routes } from '../../src/dispatch/dispatcher.ts'
import { Pools } from '../../src/dispatch/connections/pools.ts'
import type { Route } from '../../src/dispatch/route.ts'
import { RouteTable } from '../../src/dispatch/router.ts'
import { settingsOf } from '../../src/config/settings.ts'
import { combine, measureInTurn, samplesOf, spreadOf, type Subject } from './in-turn.ts'
import {
  cacheableLookupAt,
  call,
  dnsInterceptorAt,
  IgnoringHandler,
  InstantTerminal,
  SilentTerminal,
} from './peers.ts'
import type { Effort, Report, Row } from './report.ts'

const HOST = 'orders.shop.local'
const ORIGIN = `http://${HOST}`
/** Typical of Fargate services. */
const TASKS = 4
const SYNC_CALLS = 1_000
const ASYNC_CALLS = 200
/** Many and short, so that a slow moment of the machine affects few of them. */
const ROUNDS = 25

export async function cachedResolve({ quick }: Effort): Promise<Report> {
  await using aws = await startLocalAws()
  aws.addService(HOST, { ttlSeconds: 60 })
  for (let task = 1; task <= TASKS; task++) aws.register(HOST, `task-${task}`, { ipv4: `10.0.0.${task}` })
  const { server } = aws.dns

  const dns = { servers: [server] }
  await using client = createClient({ namespaces: ['shop.local'], discovery: 'dns', dns })
  await client.resolve(HOST)
  const cacheable = cacheableLookupAt(server)
  await cacheable.lookupAsync(HOST, { all: true })

  const cache = new SnapshotCache({ resolver: dnsResolver(dns), clock: systemClock, random: systemRandom })
  const routes = new RouteTable(
    settingsOf({ namespaces: ['shop.local'] }),
    cache,
    new MetadataLocation(systemClock),
  )
  const route = routes.find(ORIGIN)
  if (route === undefined) throw new Error(`${ORIGIN} is not discovered`)
  await route.cluster.view.whenUsable()

  const silent = new SilentTerminal()
  const instant = new InstantTerminal()
  const dispatchers = {
    passThrough: new DiscoveryDispatcher(routes, silent),
    dns: silent.compose(dnsInterceptorAt(server)),
    whole: new DiscoveryDispatcher(answeredBy(route, instant), instant),
    dnsAnswered: instant.compose(dnsInterceptorAt(server)),
    dnsAndRetry: instant.compose([interceptors.retry(), dnsInterceptorAt(server)]),
  }
  await call(dispatchers.whole, ORIGIN)
  await call(dispatchers.dnsAnswered, ORIGIN)
  await call(dispatchers.dnsAndRetry, ORIGIN)
  await warmSilently(dispatchers.dns, aws.dns)

  const subjects: Subject[] = [
    reconcileSubject(route),
    resolveSubject('client.resolve(host)', () => client.resolve(HOST)),
    resolveSubject('cacheable-lookup lookupAsync(host, { all: true })', () =>
      cacheable.lookupAsync(HOST, { all: true }),
    ),
    pickSubject(routes),
    dispatchSubject('silent terminal', silent),
    dispatchSubject('undici interceptors.dns', dispatchers.dns),
    dispatchSubject('DiscoveryDispatcher, host not discovered', dispatchers.passThrough),
    dispatchSubject('instant terminal', instant),
    dispatchSubject('DiscoveryDispatcher, whole call', dispatchers.whole),
    dispatchSubject('undici interceptors.dns, whole call', dispatchers.dnsAnswered),
    dispatchSubject('undici interceptors.dns + retry, whole call', dispatchers.dnsAndRetry),
  ]
  const rounds = await measureInTurn(
    subjects,
    quick ? { rounds: 2, sliceMs: 15 } : { rounds: ROUNDS, sliceMs: 25 },
  )
  await routes.close()

  const rowOf = (name: string, from: string, base: string, less?: string): Row => {
    const cost = (subject: string, terminal = less): readonly number[] =>
      terminal === undefined
        ? samplesOf(rounds, subject)
        : combine(rounds, subject, terminal, (one, other) => one - other)
    const bases = base === PICK ? samplesOf(rounds, PICK) : cost(base)
    const ratios = cost(name).map((ns, round) => ns / (bases[round] ?? Number.NaN))
    const { median, lowest, highest } = spreadOf(cost(name))
    return { what: name, from, ns: median, lowest, highest, ratio: spreadOf(ratios).median }
  }
  const resolved = 'client.resolve(host)'
  const whole = 'DiscoveryDispatcher, whole call'
  return {
    name: 'cached',
    title: `1. A cached service: ns per call, ${TASKS} tasks`,
    columns: { what: 'what', from: 'whose', ns: 'ns', lowest: 'lowest', highest: 'highest', ratio: 'ratio' },
    rows: [
      rowOf(IS_CURRENT, 'onehop', resolved),
      rowOf(resolved, 'onehop', resolved),
      rowOf('cacheable-lookup lookupAsync(host, { all: true })', 'peer', resolved),
      rowOf(PICK, 'onehop', PICK),
      rowOf('undici interceptors.dns', 'peer', PICK, 'silent terminal'),
      rowOf('DiscoveryDispatcher, host not discovered', 'onehop', PICK, 'silent terminal'),
      rowOf(whole, 'onehop', whole, 'instant terminal'),
      rowOf('undici interceptors.dns, whole call', 'peer', whole, 'instant terminal'),
      rowOf('undici interceptors.dns + retry, whole call', 'peer', whole, 'instant terminal'),
    ],
    notes: [
      `ratio: to client.resolve (rows 1-3), to the route lookup with a pick (4-6), to DiscoveryDispatcher (7-9); computed within each round.`,
      `lowest, highest: of ${quick ? 2 : ROUNDS} rounds. In each round every subject gets one slice of time.`,
      'A call on a cached service needs only reconcileIfChanged. resolve() is for people and tools. It returns a promise, as lookupAsync does, so both include an await.',
      'cacheable-lookup only maps a name to addresses. The interceptor also picks an address and rewrites the request. Row 4 finds the route, reads the clock, calls reconcileIfChanged and picks (p2c by latency and pending calls), but makes no request.',
      'Rows 5 and 6: the cost of a dispatcher above a terminal that does nothing. Rows 7-9: above a terminal that answers at once. Row 7 includes retries, latencies, health and budgets; row 8 none of these; row 9 retries.',
    ],
  }
}

const IS_CURRENT = 'cluster.reconcileIfChanged(now) and its upstreams'
const PICK = 'route lookup, reconcileIfChanged and pick'

/** Stored where V8 cannot prove that it is unused. */
export const sink: { value: unknown } = { value: undefined }

function reconcileSubject({ cluster }: Route): Subject {
  return {
    name: IS_CURRENT,
    calls: SYNC_CALLS,
    run: () => {
      const now = systemClock.now()
      let seen = 0
      for (let index = 0; index < SYNC_CALLS; index++)
        if (cluster.reconcileIfChanged(now)) seen += cluster.tasks.length
      if (seen !== SYNC_CALLS * TASKS) throw new Error('the service was not cached')
    },
  }
}

function resolveSubject(name: string, resolve: () => Promise<unknown>): Subject {
  return {
    name,
    calls: ASYNC_CALLS,
    runAsync: async () => {
      for (let index = 0; index < ASYNC_CALLS; index++) sink.value = await resolve()
    },
  }
}

function pickSubject(routes: RouteTable): Subject {
  return {
    name: PICK,
    calls: SYNC_CALLS,
    run: () => {
      for (let index = 0; index < SYNC_CALLS; index++) {
        const route = routes.find(ORIGIN)
        const now = systemClock.now()
        if (route?.cluster.reconcileIfChanged(now) !== true) throw new Error('the service was not cached')
        sink.value = route.cluster.pick({ now, key: undefined }, NONE_TRIED, false)
      }
    },
  }
}

const NONE_TRIED: readonly never[] = []

function dispatchSubject(name: string, dispatcher: Dispatcher): Subject {
  const origin = name.includes('not discovered') ? 'http://example.org' : ORIGIN
  const options = { origin, path: '/', method: 'GET', headers: { accept: '*/*' } } as const
  const handler = new IgnoringHandler()
  return {
    name,
    calls: SYNC_CALLS,
    run: () => {
      for (let index = 0; index < SYNC_CALLS; index++) dispatcher.dispatch(options, handler)
    },
  }
}

/** The route, with a terminal instead of connections. */
function answeredBy(route: Route, terminal: Dispatcher): Routes {
  class InstantPools extends Pools {
    override get(): Pool {
      return terminal as Pool
    }
  }
  const { clock } = route
  const pools = new InstantPools({ origin: ORIGIN, connectMs: 1_000, tcpConnectMs: 300, pool: {}, clock })
  const answered = { ...route, pools }
  const routes = new Map([[ORIGIN, answered]])
  const done = async (): Promise<void> => undefined
  return { find: (origin) => routes.get(String(origin)), close: done, destroy: done }
}

/** A silent terminal does not show when the first lookup is over. The server's counter does, and then a moment. */
async function warmSilently(dispatcher: Dispatcher, dns: { readonly queries: number }): Promise<void> {
  const before = dns.queries
  dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET' }, new IgnoringHandler())
  const until = performance.now() + 5_000
  while (dns.queries === before && performance.now() < until) await nextTurn()
  await new Promise((resolve) => setTimeout(resolve, 50))
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
