/** DNS queries per name and TTL of onehop and other libraries, in real time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'onehop'
import { startLocalAws, type LocalAws } from 'onehop/testing'
import { cacheableLookupAt, call, dnsInterceptorAt, InstantTerminal } from '../peers.ts'
import type { Effort, Report, Row } from '../report.ts'

const TTL_SECONDS = 1
const NAMES = 10
const EVERY_MS = 20
const TASKS = 4

/** One library, and how it resolves a host. */
interface Side {
  readonly what: string
  readonly label: string
  ask(host: string): Promise<unknown>
}

/** How many calls of one name begin in the same tick. */
const BURSTS = [1, 10]

export async function queriesPerTtl({ quick }: Effort): Promise<Report> {
  await using aws = await startLocalAws()
  const { server } = aws.dns
  await using client = createClient({
    namespaces: ['shop.local'],
    discovery: 'dns',
    dns: { servers: [server] },
  })
  const cacheable = cacheableLookupAt(server)
  const dispatcher = new InstantTerminal().compose(dnsInterceptorAt(server))
  const sides: readonly Side[] = [
    { what: 'onehop', label: 'onehop', ask: (host) => client.resolve(host) },
    {
      what: 'cacheable-lookup',
      label: 'cacheable',
      ask: (host) => cacheable.lookupAsync(host, { all: true }),
    },
    { what: 'undici interceptors.dns', label: 'undici', ask: (host) => call(dispatcher, `http://${host}`) },
  ]
  const cases = sides.flatMap((side) => BURSTS.map((burst) => ({ side, burst, hosts: hostsOf(side, burst) })))
  for (const { hosts } of cases) for (const host of hosts) addService(aws, host)

  const measuredSeconds = quick ? 1 : 5
  await useAll(cases, TTL_SECONDS * 1_000)
  const before = cases.map(({ hosts }) => queriesOf(aws, hosts))
  await useAll(cases, measuredSeconds * 1_000)
  const rows = cases.map(({ side, burst, hosts }, index): Row => {
    const { a, aaaa } = queriesOf(aws, hosts)
    const ttls = (NAMES * measuredSeconds) / TTL_SECONDS
    return {
      what: side.what,
      atOnce: burst,
      a: (a - (before[index]?.a ?? 0)) / ttls,
      aaaa: (aaaa - (before[index]?.aaaa ?? 0)) / ttls,
    }
  })
  return {
    name: 'ttl',
    title: '4b. DNS queries per name and TTL, of a name in steady use',
    columns: { what: 'what', atOnce: 'calls at once', a: 'A', aaaa: 'AAAA' },
    rows,
    notes: [
      `Real time: TTL ${TTL_SECONDS} s, ${NAMES} names each, called every ${EVERY_MS} ms for ${measuredSeconds} s, all at the same time. "calls at once": calls of one name in the same tick.`,
      'When the TTL ends, onehop refreshes in the background, and calls use the old answer for these milliseconds. With the others, the next call waits.',
      'onehop asks for AAAA records of names without A records (dns.family: dual asks for both). cacheable-lookup always asks for both. The interceptor got a lookup of A records with TTLs; its default uses getaddrinfo and keeps addresses for 10 s.',
    ],
  }
}

interface Case {
  readonly side: Side
  readonly burst: number
  readonly hosts: readonly string[]
}

async function useAll(cases: readonly Case[], forMs: number): Promise<void> {
  const until = performance.now() + forMs
  while (performance.now() < until) {
    const calls = cases.flatMap(({ side, burst, hosts }) =>
      hosts.flatMap((host) => Array.from({ length: burst }, () => side.ask(host))),
    )
    await Promise.all(calls)
    await sleep(EVERY_MS)
  }
}

function queriesOf({ dns }: LocalAws, hosts: readonly string[]): { a: number; aaaa: number } {
  const count = (type: string): number =>
    hosts.reduce((sum, name) => sum + dns.countQueries({ name, type }), 0)
  return { a: count('A'), aaaa: count('AAAA') }
}

function hostsOf({ label }: Side, burst: number): readonly string[] {
  return Array.from({ length: NAMES }, (_, index) => `${label}-${burst}-${index}.shop.local`)
}

function addService(aws: LocalAws, host: string): void {
  aws.addService(host, { ttlSeconds: TTL_SECONDS })
  for (let task = 1; task <= TASKS; task++) aws.register(host, `task-${task}`, { ipv4: `10.0.0.${task}` })
}
