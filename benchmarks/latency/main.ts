/**
 * Direct calls beside proxies in the place of load balancers, across network namespaces: `npm run bench:latency`.
 * `-- --duration 5m`: for each proxy, with and without TLS [2m]. `-- --rate 500`: calls a second [500].
 * `-- --only nginx`: proxies whose names match. `-- --html FOLDER`: keeps the reports. `-- --json`: for other programs.
 * `-- --quick`: only to see that it runs.
 */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { BenchReport } from '../../src/bench/report/report.ts'
import { ca } from '../../test/support/transports/tls.ts'
import { HOST, type AwsPlace } from './aws.ts'
import { BALANCERS, type Balancer } from './balancers.ts'
import { openNetwork, type Network } from './network.ts'
import { comparisonTable, type Compared } from './table.ts'
import { PORT, TLS_PORT } from './task.ts'

/** In the test certificate. */
const BALANCER_HOST = 'balancer.shop.example'

const { values } = parseArgs({
  options: {
    duration: { type: 'string', default: '2m' },
    rate: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    html: { type: 'string' },
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
})

const folder = mkdtempSync(join(tmpdir(), 'onehop-latency-'))
await using network = openNetwork()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    // Namespaces outlive the process that made them.
    rmSync(folder, { recursive: true, force: true })
    void network[Symbol.asyncDispose]().then(() => process.exit(130))
  })
if (network.kind === 'loopback')
  console.error(
    'This user may not make network namespaces (sudo npm run bench:latency): all runs on loopback, where a hop costs nothing, and without TLS.',
  )
if (values.html !== undefined) mkdirSync(values.html, { recursive: true })
try {
  const aws = await startTasks(network)
  const compared: Compared[] = []
  for (const balancer of BALANCERS.filter(({ name }) => name.includes(values.only))) {
    if (balancer.version === undefined) {
      console.error(`Left out: ${balancer.name}, which is not installed (apt-get install haproxy nginx).`)
      continue
    }
    for (const tls of network.kind === 'namespaces' ? [false, true] : [false])
      compared.push({ balancer: balancer.name, tls, report: await measure(network, aws, balancer, tls) })
  }
  if (values.json) console.log(JSON.stringify(compared))
  else console.log(comparisonTable(compared, network.kind))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function startTasks(net: Network): Promise<AwsPlace> {
  const places = ['task1', 'task2', 'task3'] as const
  await Promise.all(
    places.map((place) => firstLine(net.start(place, script('task.ts', net.addressOf(place))))),
  )
  const addresses = places.map((place) => net.addressOf(place))
  return JSON.parse(await firstLine(net.start('caller', script('aws.ts', ...addresses)))) as AwsPlace
}

async function measure(net: Network, aws: AwsPlace, balancer: Balancer, tls: boolean): Promise<BenchReport> {
  const address = net.addressOf('balancer')
  const tasks = (['task1', 'task2', 'task3'] as const).map((place) => net.addressOf(place))
  for (const [name, text] of Object.entries(balancer.files(address, tasks, folder)))
    writeFileSync(join(folder, name), text)
  writeFileSync(join(folder, 'ca.pem'), ca)
  const proxy = net.start('balancer', balancer.command(folder), { PATH: `${process.env['PATH']}:/usr/sbin` })
  try {
    if (tls) net.name(BALANCER_HOST, address)
    await delay(1_000)
    if (proxy.exitCode !== null) throw new Error(`${balancer.name} ended with ${proxy.exitCode}`)
    const kind = tls ? 'TLS' : 'HTTP'
    const slug = `${balancer.name}-${kind}`.toLowerCase().replaceAll(/[^a-z]+/g, '-')
    const html = values.html === undefined ? [] : ['--html', resolve(values.html, `${slug}.html`)]
    const bench = net.start(
      'caller',
      [
        ...[
          process.execPath,
          '--conditions=onehop:source',
          join(import.meta.dirname, '../../src/cli/main.ts'),
        ],
        ...['bench', tls ? `https://${HOST}:${TLS_PORT}/` : `http://${HOST}:${PORT}/`],
        ...[
          '--fallback',
          tls ? `https://${BALANCER_HOST}:${balancer.tlsPort}` : `http://${address}:${balancer.port}`,
        ],
        ...(tls ? ['--ca', join(folder, 'ca.pem')] : []),
        ...['--dns-server', aws.dns, '--endpoint', aws.endpoint, '--region', aws.region],
        ...(net.kind === 'loopback' ? ['--allow-loopback'] : []),
        ...[
          '--title',
          `Direct calls over ${kind} against ${balancer.version} on this machine, which is not an ${balancer.standsFor}`,
        ],
        ...['--notice', noticeOf(net)],
        ...load(),
        ...['--json', ...html],
      ],
      { AWS_ACCESS_KEY_ID: 'AKIALOCALEXAMPLE', AWS_SECRET_ACCESS_KEY: 'local' },
    )
    return JSON.parse(await whole(bench)) as BenchReport
  } finally {
    const closed = once(proxy, 'close')
    proxy.kill()
    await closed
  }
}

function load(): string[] {
  const { rate, duration, seed, quick } = values
  if (quick) return ['--rate', '200', '--duration', '2s', '--warm-up', '3s', '--set-up', '2', '--seed', seed]
  return ['--rate', rate, '--duration', duration, '--warm-up', '5s', '--set-up', '20', '--seed', seed]
}

function noticeOf({ kind }: Network): string {
  const hop =
    kind === 'namespaces' ? 'Its hop is a veth pair and a bridge' : 'Its hop is the loopback interface'
  return `No load balancer of AWS: a proxy on the same machine as caller and tasks. ${hop}, without the distance between hosts and zones. All share the same CPUs.`
}

function script(name: string, ...args: readonly string[]): string[] {
  return [process.execPath, '--conditions=onehop:source', join(import.meta.dirname, name), ...args]
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const piece of child.stdout ?? []) {
    text += String(piece)
    if (text.includes('\n')) break
  }
  if (!text.includes('\n')) throw new Error(`${child.spawnargs.join(' ')} ended at once`)
  return text.slice(0, text.indexOf('\n'))
}

async function whole(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout?.on('data', (piece: Buffer) => (text += piece.toString()))
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`onehop bench ended with ${code}`)
  return text
}
