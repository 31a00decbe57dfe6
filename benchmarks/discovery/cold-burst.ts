/** Queries of 1,000 simultaneous calls for a name that was never looked up. */
import { createClient } from 'onehop'
import { startLocalAws } from 'onehop/testing'
import { cacheableLookupAt, call, dnsInterceptorAt, InstantTerminal } from './peers.ts'
import type { Report, Row } from './report.ts'

const CALLS = 1_000
const HOST = 'orders.shop.local'
const TASKS = 4

/** Looks the host up with an empty cache, as a process does right after its start. */
interface Fresh extends AsyncDisposable {
  ask(): Promise<unknown>
}

const SIDES: Readonly<Record<string, (server: string) => Fresh>> = {
  onehop: (server) => {
    const client = createClient({ namespaces: ['shop.local'], discovery: 'dns', dns: { servers: [server] } })
    return { ask: () => client.resolve(HOST), [Symbol.asyncDispose]: () => client.close() }
  },
  'cacheable-lookup': (server) => {
    const cacheable = cacheableLookupAt(server)
    return { ask: () => cacheable.lookupAsync(HOST, { all: true }), [Symbol.asyncDispose]: nothing }
  },
  'undici interceptors.dns': (server) => {
    const dispatcher = new InstantTerminal().compose(dnsInterceptorAt(server))
    return { ask: () => call(dispatcher, `http://${HOST}`), [Symbol.asyncDispose]: nothing }
  },
}

export async function coldBurst(): Promise<Report> {
  const rows: Row[] = []
  for (const [what, side] of Object.entries(SIDES)) rows.push({ what, ...(await burst(side)) })
  return {
    name: 'cold',
    title: `4c. ${CALLS.toLocaleString('en')} simultaneous calls of one name that is not cached`,
    columns: { what: 'what', a: 'A queries', aaaa: 'AAAA queries' },
    rows,
    notes: [
      'Counted at the server. Some of the 1,000 queries overflow the buffer of its socket: they are not counted and are sent again.',
    ],
  }
}

async function burst(side: (server: string) => Fresh): Promise<{ a: number; aaaa: number }> {
  await using aws = await startLocalAws()
  aws.addService(HOST)
  for (let task = 1; task <= TASKS; task++) aws.register(HOST, `task-${task}`, { ipv4: `10.0.0.${task}` })
  await using fresh = side(aws.dns.server)
  await Promise.all(Array.from({ length: CALLS }, () => fresh.ask()))
  const { dns } = aws
  return { a: dns.countQueries({ type: 'A' }), aaaa: dns.countQueries({ type: 'AAAA' }) }
}

async function nothing(): Promise<void> {}
