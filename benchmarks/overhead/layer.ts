/** The cost of a call without the request: the layer alone, above a terminal that answers before it returns. */
import { MetadataLocation } from '../../src/caller-location.ts'
import { startLocalAws } from 'onehop/testing'
import { interceptors, type Dispatcher, type Pool } from 'undici'
import { systemClock, systemRandom } from '../../src/core/clock.ts'
import { SnapshotCache } from '../../src/discovery/cache.ts'
import { dnsResolver } from '../../src/discovery/dns/resolver.ts'
import { DiscoveryDispatcher, type Routes } from '../../src/dispatch/dispatcher.ts'
import { Pools } from '../../src/dispatch/connections/pools.ts'
import { RouteTable } from '../../src/dispatch/router.ts'
import { settingsOf } from '../../src/config/settings.ts'
import { combine, measureInTurn, spreadOf, type Subject } from '../discovery/in-turn.ts'
import { call, dnsInterceptorAt, IgnoringHandler, InstantTerminal } from '../discovery/peers.ts'
import type { Effort, Report, Row } from '../discovery/report.ts'

const HOST = 'orders.shop.local'
const ORIGIN = `http://${HOST}`
const TASKS = 4
const CALLS = 1_000
const ROUNDS = 25
const TERMINAL = 'the terminal alone'
const ONEHOP = 'onehop'
const DNS_AND_RETRY = 'undici interceptors.dns + retry'

export async function layer({ quick }: Effort): Promise<Report> {
  await using aws = await startLocalAws()
  aws.addService(HOST, { ttlSeconds: 60 })
  for (let task = 1; task <= TASKS; task++) aws.register(HOST, `task-${task}`, { ipv4: `10.0.0.${task}` })
  const { server } = aws.dns
  const terminal = new InstantTerminal()
  const dns = dnsResolver({ servers: [server] })
  const cache = new SnapshotCache({ resolver: dns, clock: systemClock, random: systemRandom })
  const routes = new RouteTable(
    settingsOf({ namespaces: ['shop.local'] }),
    cache,
    new MetadataLocation(systemClock),
  )
  const dispatchers: Readonly<Record<string, Dispatcher>> = {
    [TERMINAL]: terminal,
    [ONEHOP]: new DiscoveryDispatcher(over(routes, terminal), terminal),
    [DNS_AND_RETRY]: terminal.compose([interceptors.retry(), dnsInterceptorAt(server)]),
  }
  for (const dispatcher of Object.values(dispatchers)) await call(dispatcher, ORIGIN)
  const subjects = Object.entries(dispatchers).map(([name, dispatcher]) => subjectOf(name, dispatcher))
  const plan = quick ? { rounds: 2, sliceMs: 15 } : { rounds: ROUNDS, sliceMs: 25 }
  const rounds = await measureInTurn(subjects, plan)
  await routes.close()

  const costOf = (name: string): readonly number[] =>
    combine(rounds, name, TERMINAL, (whole, bare) => (whole - bare) / 1_000)
  const peers = costOf(DNS_AND_RETRY)
  const rows = [ONEHOP, DNS_AND_RETRY].map((name): Row => {
    const costs = costOf(name)
    const { median, lowest, highest } = spreadOf(costs)
    const ratio = spreadOf(costs.map((cost, round) => cost / (peers[round] ?? Number.NaN))).median
    return { what: name, us: median, lowest, highest, ratio }
  })
  return {
    name: 'layer',
    title: `2. The layer alone, ${TASKS} tasks: µs per call above a terminal that answers at once`,
    columns: { what: 'what', us: 'µs', lowest: 'lowest', highest: 'highest', ratio: 'ratio' },
    rows,
    notes: [
      'onehop: route, pick, attempt, latencies, health, budget and timeouts, the defaults. interceptors: discovery by a lookup with TTLs, and retries.',
      `lowest, highest: of ${plan.rounds} rounds. In each round every subject gets one slice of time.`,
    ],
  }
}

function subjectOf(name: string, dispatcher: Dispatcher): Subject {
  const options = { origin: ORIGIN, path: '/', method: 'GET', headers: { accept: '*/*' } } as const
  const handler = new IgnoringHandler()
  return {
    name,
    calls: CALLS,
    run: () => {
      for (let index = 0; index < CALLS; index++) dispatcher.dispatch(options, handler)
    },
  }
}

/** The routes, with a terminal instead of connections. */
function over(routes: RouteTable, terminal: Dispatcher): Routes {
  const route = routes.find(ORIGIN)
  if (route === undefined) throw new Error(`${ORIGIN} is not discovered`)
  class InstantPools extends Pools {
    override get(): Pool {
      return terminal as Pool
    }
  }
  const pools = new InstantPools({
    origin: ORIGIN,
    connectMs: 1_000,
    tcpConnectMs: 300,
    pool: {},
    clock: systemClock,
  })
  const known = new Map([[ORIGIN, { ...route, pools }]])
  const done = async (): Promise<void> => undefined
  return { find: (origin) => known.get(String(origin)), close: done, destroy: done }
}
