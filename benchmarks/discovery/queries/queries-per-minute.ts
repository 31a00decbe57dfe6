/** Queries of one client to DNS and Cloud Map in a minute, counted at the servers. */
import { cloudMapResolver, dnsResolver, type Resolver } from 'onehop'
import { seededRandom, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import type { Effort, Report, Row } from '../report.ts'
import { virtualClient } from './virtual-minutes.ts'

const TASKS = 3
const MAX_SERVICES = 100

interface Source {
  readonly name: string
  readonly namespace: string
  readonly resolver: (aws: LocalAws, clock: ManualClock) => Resolver
}

const SOURCES: readonly Source[] = [
  { name: 'dns, TTL 10 s', namespace: 'ten.local', resolver: dnsOf },
  { name: 'dns, TTL 60 s', namespace: 'sixty.local', resolver: dnsOf },
  {
    name: 'api',
    namespace: 'ten.local',
    resolver: ({ cloudMap }, clock) => cloudMapResolver({ ...cloudMap, clock, random: seededRandom(2) }),
  },
]

function dnsOf({ dns }: LocalAws, clock: ManualClock): Resolver {
  return dnsResolver({ servers: [dns.server], clock })
}

export async function queriesPerMinute({ quick }: Effort): Promise<Report> {
  await using aws = await startLocalAws()
  for (let service = 0; service < MAX_SERVICES; service++) {
    addService(aws, hostOf(service, 'ten.local'), 10)
    addService(aws, hostOf(service, 'sixty.local'), 60)
  }
  const rows: Row[] = []
  for (const source of SOURCES) {
    for (const active of quick ? [1, 10] : [1, 10, 100]) {
      const minutes = quick ? 1 : active === 100 ? 3 : 5
      rows.push(await count(aws, source, active, minutes))
    }
  }
  return {
    name: 'minute',
    title: '4a. Queries per minute of one client, by active services',
    columns: {
      discovery: 'discovery',
      services: 'services',
      first: 'at start',
      dns: 'DNS queries',
      revisions: 'DiscoverInstancesRevision',
      reads: 'DiscoverInstances',
      each: 'all, per service',
      idle: 'left alone',
    },
    rows,
    notes: [
      `Virtual time, real servers. At the start all services are called at once ("at start": all queries of that moment). Then they are called all the time for ${quick ? '1 minute' : '3 to 5 minutes'}; the table has the mean.`,
      '"left alone": queries in the third minute without calls.',
      'The number of calls does not matter. DNS: one A query per name and TTL. API: one poll per 5 s +- 10 %; the first poll after 30 s reads the instances instead.',
      'cacheable-lookup and interceptors.dns do not accept a clock: 4b compares in real time.',
    ],
  }
}

async function count(aws: LocalAws, source: Source, active: number, minutes: number): Promise<Row> {
  const hosts = Array.from({ length: active }, (_, service) => hostOf(service, source.namespace))
  await using client = virtualClient((clock) => source.resolver(aws, clock), {
    namespaces: [source.namespace],
  })
  const atStart = tally(aws)
  await client.pass(0, hosts)
  const started = tally(aws)
  await client.pass(minutes, hosts)
  const ended = tally(aws)
  await client.pass(2, [])
  const left = tally(aws)
  await client.pass(1, [])
  const isDns = source.name !== 'api'
  const perMinute = (one: keyof Tally): number => (ended[one] - started[one]) / minutes
  return {
    discovery: source.name,
    services: active,
    first: sum(started) - sum(atStart),
    dns: isDns ? perMinute('dns') : null,
    revisions: isDns ? null : perMinute('revisions'),
    reads: isDns ? null : perMinute('reads'),
    each: (sum(ended) - sum(started)) / minutes / active,
    idle: sum(tally(aws)) - sum(left),
  }
}

interface Tally {
  readonly dns: number
  readonly revisions: number
  readonly reads: number
}

function tally({ dns, cloudMap }: LocalAws): Tally {
  return {
    dns: dns.queries,
    revisions: cloudMap.calls['DiscoverInstancesRevision'] ?? 0,
    reads: cloudMap.calls['DiscoverInstances'] ?? 0,
  }
}

function sum({ dns, revisions, reads }: Tally): number {
  return dns + revisions + reads
}

function hostOf(service: number, namespace: string): string {
  return `service-${service}.${namespace}`
}

function addService(aws: LocalAws, host: string, ttlSeconds: number): void {
  aws.addService(host, { ttlSeconds })
  for (let task = 1; task <= TASKS; task++)
    aws.register(host, `task-${task}`, { ipv4: `10.0.0.${task}`, port: 8080, zone: 'eu-west-1a' })
}
