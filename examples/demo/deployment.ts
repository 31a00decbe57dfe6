/** The phase of the demo in which all tasks of a service are replaced. */
import { Resolver } from 'node:dns/promises'
import { Agent, request } from 'node:http'
import type { LookupFunction } from 'node:net'
import { createClient } from 'onehop'
import { openLoop } from './load.ts'
import { phaseReport, round, type PhaseReport } from './report.ts'
import { DNS_TIMEOUT_MS, type DemoWorld } from './world.ts'

const HOST = 'payments.shop.local'
const TASKS = 3
const PER_SECOND = 200
const TTL_SECONDS = 2
/** ECS takes a task out of Cloud Map some time after SIGTERM; how long is not documented. */
const DEREGISTER_AFTER_MS = 1_000
/**
 * With the TTL it is more than the 6 s after which Node's server closes an idle connection anyway; it offers callers 5 s. A server
 * that leaves earlier closes connections which callers may still use, and breaks their requests.
 */
const PROPAGATION_MS = 4_500
const script = new URL('./task.ts', import.meta.url).pathname

/** POSTs through onehop and through Node's `http.Agent`, which knows nothing of Cloud Map, while all tasks are replaced. */
export async function deploy({ aws }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  aws.addService(HOST, { ttlSeconds: TTL_SECONDS })
  await using service = await aws.startEcsService({
    command: [process.execPath, '--conditions=onehop:source', script],
    ...{ host: HOST, tasks: TASKS, deregisterAfterMs: DEREGISTER_AFTER_MS },
    env: { DEMO_TTL_MS: String(TTL_SECONDS * 1_000), DEMO_PROPAGATION_MS: String(PROPAGATION_MS) },
  })
  await using client = createClient({
    ...{ namespaces: ['shop.local'], discovery: 'dns', allowLoopback: true },
    dns: { servers: [aws.dns.server], timeoutMs: DNS_TIMEOUT_MS },
  })
  const agent = new Agent({ keepAlive: true })
  const plain = plainFetch(agent, aws.dns.server)
  const deployed = service.deploy().then((old) => Promise.all(old.map(({ exited }) => exited)))
  let over = Number.POSITIVE_INFINITY
  void deployed.then(() => (over = performance.now()))
  const url = `http://${HOST}:${service.port}/v1/payments`
  const shots = await openLoop([client.fetch, plain], url, PER_SECOND, () => performance.now() > over + 500, [
    'POST',
  ])
  agent.destroy()
  const exits = await deployed
  const bad = exits.filter(({ code }) => code !== 0).length
  const problems = bad === 0 ? [] : [`${bad} of ${TASKS} tasks did not end by themselves`]
  const slowest = Math.max(...exits.map(({ tookMs }) => tookMs ?? 0))
  const report = phaseReport(shots, (performance.now() - start) / 1_000, { problems })
  const took = `each of the ${TASKS} old tasks served on for up to ${round(slowest / 1_000, 1)} s after SIGTERM`
  return { ...report, notes: [`${took}; half of the POSTs came from onehop, half from http.Agent`] }
}

/** As much of `fetch` as the demo needs, over connections that Node's agent keeps. */
function plainFetch(agent: Agent, dns: string): typeof fetch {
  const resolver = new Resolver()
  resolver.setServers([dns])
  const lookup: LookupFunction = (hostname, _options, callback) => {
    resolver.resolve4(hostname).then(
      (addresses) => callback(null, addresses.map((address) => ({ address, family: 4 })).slice(0, 1)),
      (error: NodeJS.ErrnoException) => callback(error, []),
    )
  }
  return (url, init) =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        url as string,
        { agent, lookup, method: init?.method ?? 'GET' },
        (incoming) => {
          let text = ''
          incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
          incoming
            .once('error', reject)
            .once('end', () => resolve(new Response(text, { status: incoming.statusCode ?? 0 })))
        },
      )
      outgoing.once('error', reject).end(init?.body ?? '')
    })
}
