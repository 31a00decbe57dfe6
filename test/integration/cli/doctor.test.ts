import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFleet, startLocalAws, type Fleet, type FleetOptions, type LocalAws } from 'onehop/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { environmentOf, runCli, runInShell, runInTerminal, startCli } from '../../support/processes/cli.ts'
import type { CliRun, Environment } from '../../support/processes/cli.ts'
import { ca, cert, key } from '../../support/transports/tls.ts'

const HOST = 'orders.shop.local'
const DOCTOR = ['doctor', '--allow-loopback']

// A test starts up to seven processes.
vi.setConfig({ testTimeout: 90_000 })

let folder: string
let caFile: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onehop-doctor-'))
  caFile = join(folder, 'ca.pem')
  await writeFile(caFile, ca)
})
afterAll(() => rm(folder, { recursive: true }))

/** Three tasks in two zones, a load balancer, and all that a task of the caller has. */
class World implements AsyncDisposable {
  readonly aws: LocalAws
  readonly fleet: Fleet
  /** Stands for the load balancer: a task that is in no registry. */
  readonly balancer: Fleet

  private constructor(aws: LocalAws, fleet: Fleet, balancer: Fleet) {
    this.aws = aws
    this.fleet = fleet
    this.balancer = balancer
  }

  static async start(options: Partial<FleetOptions> = {}, soaTtlSeconds = 15): Promise<World> {
    const aws = await startLocalAws()
    const fleet = await startFleet({ tasks: 3, zones: ['eu-west-1b', 'eu-west-1a'], ...options })
    const balancer = await startFleet({ tasks: 1 })
    aws.addNamespace('shop.local', { soaTtlSeconds })
    aws.addService(HOST)
    const world = new World(aws, fleet, balancer)
    for (const index of fleet.tasks.keys()) world.register(index)
    return world
  }

  register(index: number, other: { readonly port?: number; readonly zone?: undefined } = {}): void {
    const { id, address, port, zone } = this.fleet.tasks[index]!
    this.aws.register(HOST, id, { ipv4: address, port, zone, ...other })
  }

  get fallback(): string {
    const [task] = this.balancer.tasks
    return `http://${task?.address}:${task?.port}`
  }

  run(args: readonly string[] = [HOST], env: Environment = {}): Promise<CliRun> {
    return runCli([...DOCTOR, '--json', '--fallback', this.fallback, ...args], environmentOf(this.aws, env))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.fleet.close(), this.balancer.close(), this.aws.close()])
  }
}

interface Report {
  readonly healthy: boolean
  readonly checks: readonly {
    readonly check: string
    readonly host?: string
    readonly isDone: boolean
    readonly isChecked: boolean
    readonly findings: readonly {
      readonly id: string
      readonly level: string
      readonly what: string
      readonly places?: readonly string[]
      readonly cause: string
      readonly remedy: string
    }[]
  }[]
}

function reportOf({ stdout }: CliRun): Report {
  return JSON.parse(stdout) as Report
}

/** All findings by id, with their level. Each has a cause, and something to do. */
function findingsOf(run: CliRun): Record<string, string> {
  const findings = reportOf(run).checks.flatMap((check) => check.findings)
  for (const { what, cause, remedy } of findings)
    for (const text of [what, cause, remedy]) expect(text).toMatch(/^\S.{10,}/)
  expect(run.code).toBe(findings.length === 0 ? 0 : 1)
  expect(run.stderr).toBe('')
  return Object.fromEntries(findings.map(({ id, level }) => [id, level]))
}

test('a healthy world has no findings', async () => {
  await using world = await World.start()
  const run = await world.run()
  expect(findingsOf(run)).toEqual({})
  const { healthy, checks } = reportOf(run)
  expect(healthy).toBe(true)
  expect(checks.map(({ check }) => check)).toEqual([
    ...['task metadata', 'way to the API', 'file descriptors'],
    ...['Cloud Map API', 'DNS', 'negative TTL', 'registrations', 'addresses'],
    ...['tasks', 'fallback', 'zones', 'clocks', 'proxies'],
  ])
})

test('neither has one with TLS, with HTTP/2, or with DNS alone', async () => {
  for (const http2 of [false, true]) {
    await using world = await World.start({ tls: { key, cert, http2 } })
    expect(findingsOf(await world.run(['--ca', caFile, `https://${HOST}`]))).toEqual({})
  }
  await using world = await World.start()
  const args = ['--discovery', 'dns', `http://${HOST}:${world.fleet.port}`]
  expect(findingsOf(await world.run(args))).toEqual({})
})

test('what could not be checked is neither fine nor a finding', async () => {
  await using world = await World.start()
  const checksOf = (run: CliRun): Record<string, boolean> =>
    Object.fromEntries(reportOf(run).checks.map(({ check, isChecked }) => [check, isChecked]))
  const fine = checksOf(await world.run())
  expect(Object.values(fine)).not.toContain(false)
  const unknown = checksOf(await world.run(['billing.shop.local']))
  for (const check of ['registrations', 'addresses', 'tasks', 'zones'])
    expect(unknown).toHaveProperty([check], false)
  expect(unknown).toMatchObject({ 'task metadata': true, fallback: true, 'negative TTL': true })
})

test('several tasks are spoken of in the plural', async () => {
  await using world = await World.start()
  for (const task of world.fleet.tasks) await task.set({ kind: 'status', status: 500 })
  expect((await world.run()).stdout).toMatch(/127\.0\.1\.1:\d+, .* answer HEAD with 500/)
})

test('fault 1, denied: each IAM action is named', async () => {
  await using world = await World.start()
  world.aws.cloudMap.faults.answer = 'deny'
  const both = await world.run()
  // Without ports: DNS has A records.
  expect(findingsOf(both)).toEqual({ 'api-denied': 'warning', 'port-unknown': 'problem' })
  expect(both.stdout).toContain('needs servicediscovery:DiscoverInstances.')
  world.aws.cloudMap.faults.only = ['DiscoverInstancesRevision']
  const revision = await world.run()
  expect(findingsOf(revision)).toEqual({ 'revision-denied': 'warning' })
  expect(revision.stdout).toContain('needs servicediscovery:DiscoverInstancesRevision')
})

test('no credentials, or no region: DNS instead, or nothing', async () => {
  await using world = await World.start()
  const url = `http://${HOST}:${world.fleet.port}`
  for (const missing of [
    { AWS_SECRET_ACCESS_KEY: undefined },
    { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined },
  ]) {
    expect(findingsOf(await world.run([url], missing))).toEqual({ 'api-no-credentials': 'warning' })
    const api = await world.run(['--discovery', 'api', url], missing)
    expect(findingsOf(api)).toEqual({ 'api-no-credentials': 'problem' })
  }
})

test('fault 2, throttled', async () => {
  await using world = await World.start()
  world.aws.cloudMap.faults.answer = 'throttle'
  const url = `http://${HOST}:${world.fleet.port}`
  expect(findingsOf(await world.run([url]))).toEqual({ 'api-throttled': 'warning' })
})

test.each(['drop', 'servfail', 'refused'] as const)('fault 3, no DNS: %s', async (answer) => {
  await using world = await World.start()
  world.aws.dns.faults.answer = answer
  expect(findingsOf(await world.run())).toEqual({ 'dns-fails': 'warning' })
  expect(findingsOf(await world.run(['--discovery', 'dns', HOST]))).toEqual({ 'dns-fails': 'problem' })
})

test('fault 4, stale DNS: a task that is not registered any more', async () => {
  await using world = await World.start()
  const addresses = world.fleet.tasks.map(({ address }) => address)
  world.aws.addRecords(HOST, { addresses, ttlSeconds: 60 })
  world.aws.deregister(HOST, 'task-3')
  // The task itself still serves, as one does that is about to stop.
  const run = await world.run([`http://${HOST}:${world.fleet.port}`])
  expect(findingsOf(run)).toEqual({ 'stale-dns': 'warning' })
  expect(run.stdout).toContain('DNS names 127.0.1.3, which is not registered any more')
})

test('fault 5, a dead task: registered, and nothing listens', async () => {
  await using world = await World.start()
  await world.fleet.tasks[1]?.kill()
  const run = await world.run()
  expect(findingsOf(run)).toEqual({ 'dead-task': 'warning' })
  expect(run.stdout).toContain(
    `127.0.1.2:${world.fleet.port} refuses connections; the other tasks accept them`,
  )
})

test('fault 5, many dead tasks: the text names a few, the JSON all', async () => {
  await using world = await World.start()
  for (let index = 1; index <= 20; index++)
    world.aws.register(HOST, `dead-${index}`, { ipv4: `127.0.3.${index}`, port: world.fleet.port })
  const run = await world.run()
  expect(findingsOf(run)).toEqual({ 'dead-task': 'warning' })
  const [finding] = reportOf(run).checks.flatMap(({ findings }) => findings)
  expect(finding?.what).toMatch(/^127\.0\.3\.1:\d+, .*127\.0\.3\.8:\d+ and 12 more refuse connections/)
  expect(finding?.places).toHaveLength(20)
})

test('fault 5, a dead task: its address does not answer, as when its network interface is gone', async () => {
  await using world = await World.start()
  await world.fleet.tasks[1]?.kill()
  await using hole = await BlackHole.start('127.0.1.2', world.fleet.port)
  const run = await world.run(['--timeout', '2000', HOST])
  expect(findingsOf(run)).toEqual({ 'unreachable-task': 'warning' })
  expect(run.stdout).toContain(`no connection to ${hole.address}:`)
})

test('fault 5, a dead task: it takes connections, and never answers', async () => {
  await using world = await World.start()
  await world.fleet.tasks[2]?.set({ kind: 'hang' })
  expect(findingsOf(await world.run(['--timeout', '2000', HOST]))).toEqual({ 'task-hangs': 'problem' })
})

test('no task can be reached: the security group', async () => {
  await using world = await World.start({ tasks: 1 })
  await world.fleet.tasks[0]?.kill()
  await using hole = await BlackHole.start('127.0.1.1', world.fleet.port)
  const run = await world.run(['--timeout', '2000', HOST])
  expect(findingsOf(run)).toEqual({ unreachable: 'problem' })
  expect(run.stdout).toContain(`no connection to ${hole.address}:`)
  expect(run.stdout).toContain("Admit the caller's security group")
})

test('fault 6, a closed port: no task accepts connections', async () => {
  await using world = await World.start()
  for (const task of world.fleet.tasks) await task.kill()
  expect(findingsOf(await world.run())).toEqual({ 'closed-port': 'problem' })
})

test('fault 7, a wrong port: the URL names another than the registration', async () => {
  await using world = await World.start()
  const run = await world.run([`http://${HOST}:1`])
  expect(findingsOf(run)).toEqual({ 'wrong-port': 'problem' })
  expect(run.stdout).toContain(`the registration has port ${world.fleet.port}`)
})

test('fault 7, a wrong port: something else than HTTP listens there', async () => {
  await using world = await World.start({ tasks: 1 })
  const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n').on('error', () => undefined))
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  world.register(0, { port: (server.address() as AddressInfo).port })
  expect(findingsOf(await world.run())).toEqual({ 'not-http': 'problem' })
  server.close()
})

test('fault 7, a wrong port: http where the task speaks TLS, and the reverse', async () => {
  await using secure = await World.start({ tls: { key, cert } })
  expect(findingsOf(await secure.run())).toEqual({ 'not-http': 'problem' })
  await using plain = await World.start()
  expect(findingsOf(await plain.run([`https://${HOST}`]))).toEqual({ 'tls-not-spoken': 'problem' })
})

test('no port at all: A records, and the default of the scheme', async () => {
  await using world = await World.start()
  const run = await world.run(['--discovery', 'dns', HOST])
  expect(findingsOf(run)).toEqual({ 'port-unknown': 'problem' })
})

test('fault 8, the TLS name: the certificate is for another one', async () => {
  const other = 'billing.shop.local'
  await using world = await World.start({ tls: { key, cert } })
  world.aws.addService(other)
  for (const { id, address, port, zone } of world.fleet.tasks)
    world.aws.register(other, id, { ipv4: address, port, zone })
  const run = await world.run(['--ca', caFile, `https://${other}`])
  expect(findingsOf(run)).toEqual({ 'tls-name': 'problem' })
  const [finding] = reportOf(run).checks.flatMap(({ findings }) => findings)
  expect(finding?.places).toEqual(world.fleet.tasks.map(({ address, port }) => `${address}:${port}`))
  expect(findingsOf(await world.run([`https://${HOST}`]))).toEqual({ 'tls-untrusted': 'problem' })
})

test('fault 9, the fallback is down, has no targets, or has another TLS name', async () => {
  await using world = await World.start()
  const [balancer] = world.balancer.tasks
  await balancer?.set({ kind: 'status', status: 503 })
  expect(findingsOf(await world.run())).toEqual({ 'fallback-fails': 'problem' })
  await balancer?.kill()
  expect(findingsOf(await world.run())).toEqual({ 'fallback-down': 'problem' })
  await using secure = await startFleet({ tasks: 1, tls: { key, cert } })
  const [task] = secure.tasks
  const args = ['--fallback', `https://${task?.address}:${task?.port}`, '--ca', caFile, HOST]
  const named = await runCli([...DOCTOR, '--json', ...args], environmentOf(world.aws))
  expect(findingsOf(named)).toEqual({ 'fallback-tls-name': 'problem' })
  const gone = ['--fallback', 'http://balancer.invalid', HOST]
  const unresolved = await runCli([...DOCTOR, '--json', ...gone], environmentOf(world.aws))
  expect(findingsOf(unresolved)).toEqual({ 'fallback-unresolved': 'problem' })
})

test('fault 10, the zone is unknown: to the metadata, to the registry, or the metadata fails', async () => {
  await using world = await World.start()
  world.aws.metadata.task.zone = ''
  expect(findingsOf(await world.run())).toEqual({ 'zone-unknown': 'warning' })
  const v3 = { ECS_CONTAINER_METADATA_URI_V4: undefined }
  expect(findingsOf(await world.run([HOST], v3))).toEqual({ 'zone-unknown': 'warning' })
  world.aws.metadata.faults.answer = 'hang'
  // All others answer within it.
  expect(findingsOf(await world.run(['--timeout', '3000', HOST]))).toEqual({ 'metadata-fails': 'warning' })
  world.aws.metadata.faults.clear()
  world.aws.metadata.task.zone = 'eu-west-1b'
  for (const index of world.fleet.tasks.keys()) world.register(index, { zone: undefined })
  expect(findingsOf(await world.run())).toEqual({ 'task-zones-unknown': 'warning' })
})

test('no task in the zone of the caller: all calls cross zones', async () => {
  await using world = await World.start({ zones: ['eu-west-1a', 'eu-west-1c'] })
  const run = await world.run()
  expect(findingsOf(run)).toEqual({ 'no-task-in-zone': 'warning' })
  expect(run.stdout).toContain('$0.01 per GB and direction')
})

test('fault 11, loopback: an address of its own that a task has registered', async () => {
  await using world = await World.start()
  const args = ['doctor', '--json', '--fallback', world.fallback, HOST]
  const run = await runCli(args, environmentOf(world.aws))
  expect(findingsOf(run)).toEqual({ 'address-refused': 'problem' })
})

test('fault 12, NXDOMAIN that resolvers remember for long', async () => {
  await using world = await World.start({}, 900)
  expect(findingsOf(await world.run())).toEqual({ 'negative-ttl-long': 'warning' })
  const run = await world.run(['billing.shop.local'])
  expect(findingsOf(run)).toEqual({
    'api-unknown-name': 'problem',
    'dns-no-name': 'problem',
    'negative-ttl-long': 'warning',
  })
  expect(run.stdout).toContain('resolvers remember that for 900 s')
})

test('an HTTP namespace: DNS does not know it, and the SOA of another zone says nothing of it', async () => {
  await using world = await World.start()
  world.aws.addNamespace('shop.internal', { type: 'http' })
  world.aws.addService('orders.shop.internal')
  for (const { id, address, port, zone } of world.fleet.tasks)
    world.aws.register('orders.shop.internal', id, { ipv4: address, port, zone })
  world.aws.addRecords('internal', { addresses: ['10.0.0.1'] })
  expect(findingsOf(await world.run(['orders.shop.internal']))).toEqual({ 'dns-no-name': 'warning' })
  expect(findingsOf(await world.run(['--discovery', 'api', 'orders.shop.internal']))).toEqual({})
})

test('a service without tasks', async () => {
  await using world = await World.start()
  for (const { id } of world.fleet.tasks) world.aws.deregister(HOST, id)
  expect(findingsOf(await world.run())).toEqual({ 'dns-no-name': 'problem', 'no-endpoints': 'problem' })
})

test('fault 13, a proxy in the way', async () => {
  await using world = await World.start()
  const proxy = 'http://proxy.example:3128'
  expect(findingsOf(await world.run([HOST], { HTTP_PROXY: proxy }))).toEqual({
    'proxy-in-the-way': 'warning',
  })
  expect(findingsOf(await world.run([HOST], { HTTPS_PROXY: proxy }))).toEqual({})
  for (const NO_PROXY of ['*', '.shop.local', 'localhost, shop.local', 'a.b orders.shop.local:80'])
    expect(findingsOf(await world.run([HOST], { http_proxy: proxy, NO_PROXY }))).toEqual({})
  const other = { all_proxy: proxy, NO_PROXY: 'op.local,.example.com' }
  expect(findingsOf(await world.run([HOST], other))).toEqual({ 'proxy-in-the-way': 'warning' })
})

test('fault 14, a clock that is off', async () => {
  const tenMinutes = 600_000
  await using world = await World.start({
    tasks: 1,
    handler: (_request, response) => {
      response.setHeader('date', new Date(Date.now() - tenMinutes).toUTCString())
      response.end()
    },
  })
  const run = await world.run()
  expect(findingsOf(run)).toEqual({ 'clock-off': 'warning' })
  expect(run.stdout).toMatch(/127\.0\.1\.1:\d+ is (599|600|601) s behind/)
})

test('fault 15, too few descriptors', async () => {
  await using world = await World.start()
  const line = `ulimit -n 1024; onehop ${DOCTOR.join(' ')} --json ${HOST}`
  expect(findingsOf(await runInShell(line, environmentOf(world.aws)))).toEqual({
    'descriptors-short': 'warning',
  })
})

test('a task that fails, an instance without address, records with a long TTL', async () => {
  await using world = await World.start()
  await world.fleet.tasks[0]?.set({ kind: 'status', status: 500 })
  expect(findingsOf(await world.run())).toEqual({ 'task-fails': 'warning' })
  await world.fleet.tasks[0]?.set({ kind: 'none' })
  const addresses = world.fleet.tasks.map(({ address }) => address)
  world.aws.addRecords(HOST, { addresses, ttlSeconds: 300 })
  expect(findingsOf(await world.run())).toEqual({ 'dns-ttl-long': 'warning' })
})

test('all tasks are unhealthy', async () => {
  await using world = await World.start()
  for (const { id } of world.fleet.tasks) world.aws.setHealth(HOST, id, 'UNHEALTHY')
  expect(findingsOf(await world.run())).toEqual({ 'none-healthy': 'problem' })
})

test('several hosts, each with its own findings, for people', async () => {
  await using world = await World.start()
  const env = environmentOf(world.aws)
  const { code, stdout } = await runCli([...DOCTOR, HOST, 'http://billing.shop.local/'], env)
  expect(code).toBe(1)
  const [process, orders, billing, summary] = stdout.split('\n\n')
  expect(process).toContain('✓ task metadata')
  expect(orders).toMatch(/^orders\.shop\.local\n {2}✓ Cloud Map API/)
  expect(orders).not.toContain('✗')
  expect(billing).toContain('problem api-unknown-name: Cloud Map knows no service "billing"')
  expect(billing).toMatch(/ {8}cause {2}The name is misspelt/)
  expect(billing).toMatch(/ {8}to do {2}Compare with: aws servicediscovery/)
  expect(billing).toMatch(/ {2}- tasks +none to connect to\n/)
  expect(billing).toMatch(/ {2}- registrations +no endpoints are known\n/)
  expect(billing).toMatch(/ {2}- clocks +unknown/)
  expect(summary).toMatch(
    /^23 checks, 2 problems, 0 warnings; \d could not be made, or had nothing to check \(-\)\n$/,
  )
})

test('nothing hangs, whatever hangs', async () => {
  await using world = await World.start()
  const timed = async (args: readonly string[]): Promise<{ run: CliRun; tookMs: number }> => {
    const begun = performance.now()
    return { run: await world.run(args), tookMs: performance.now() - begun }
  }
  const { tookMs: nothingHangsMs } = await timed([HOST])
  world.aws.cloudMap.faults.answer = 'hang'
  world.aws.dns.faults.answer = 'drop'
  world.aws.metadata.faults.answer = 'hang'
  const { run, tookMs } = await timed(['--timeout', '300', HOST])
  expect(findingsOf(run)).toMatchObject({
    'api-fails': 'problem',
    'dns-fails': 'problem',
    'metadata-fails': 'warning',
  })
  // Three times the timeout is the limit of a check, and some wait for others. The rest is as long as where nothing hangs, or three
  // times that on a machine that has become busy.
  expect(tookMs).toBeLessThan(3 * nothingHangsMs + 10_000)
})

test('Ctrl-C prints what there is', async () => {
  await using world = await World.start()
  await world.fleet.tasks[0]?.set({ kind: 'hang' })
  const running = startCli([...DOCTOR, '--timeout', '60000', '--json', HOST], environmentOf(world.aws))
  while ((await world.fleet.tasks[0]?.stats())?.requests !== 1)
    await new Promise((resolve) => setTimeout(resolve, 10))
  running.kill('SIGINT')
  const run = await running.outcome
  expect(run.code).toBe(130)
  const { healthy, checks } = reportOf(run)
  expect(healthy).toBe(false)
  const isDone = Object.fromEntries(checks.map((check) => [check.check, check.isDone]))
  expect(isDone).toMatchObject({
    tasks: false,
    clocks: false,
    DNS: true,
    'task metadata': true,
    proxies: true,
  })
})

test('in a terminal: a progress bar that goes away, and colours', async () => {
  await using world = await World.start()
  const { code, stdout } = await runInTerminal([...DOCTOR, HOST], environmentOf(world.aws))
  expect(code).toBe(0)
  expect(stdout).toMatch(/checks [█░]+ \d+ %/)
  expect(stdout).toContain('\u001B[32m✓\u001B[39m')
  expect(stdout.slice(stdout.lastIndexOf('%'))).toContain('13 checks, no findings')
})

test.each([
  [['10.0.1.7'], 'HOST: got "10.0.1.7"; allowed: the name of a service'],
  [['http://user:pw@orders.shop.local'], 'HOST: got "http://***@orders.shop.local"'],
  [
    ['--fallback', 'http://', HOST],
    '--fallback: got "http://"; allowed: an http or https URL of scheme, host',
  ],
  [[], 'HOST is missing'],
  [['--timeout', 'soon', HOST], '--timeout: got "soon"; allowed: an integer from 1 to 600000'],
])('wrong usage: %j', async (args, message) => {
  const { code, stdout, stderr } = await runCli(['doctor', ...args])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
  expect(stderr).not.toContain(':pw@')
})

test.each([
  ['10.0.7.9', 'an interface endpoint of the VPC'],
  ['52.94.1.1', 'through NAT or an internet gateway'],
])('the way to the API by its address: %s', async (address, way) => {
  await using world = await World.start()
  world.aws.addRecords('api.shop.example', { addresses: [address] })
  // The SDK asks the machine's resolver, which does not know the name.
  const args = ['--endpoint', 'http://api.shop.example', `http://${HOST}:${world.fleet.port}`]
  const run = await world.run(args)
  expect(findingsOf(run)).toEqual({ 'api-fails': 'warning' })
  expect(run.stdout).toContain(`api.shop.example is ${address}: ${way}`)
  const unknown = ['--endpoint', 'http://other.shop.example', `http://${HOST}:${world.fleet.port}`]
  expect(findingsOf(await world.run(unknown))).toEqual({
    'api-fails': 'warning',
    'api-host-unresolved': 'warning',
  })
})

test('docs/cli.md lists all findings', async () => {
  const root = new URL('../../../', import.meta.url)
  const page = await readFile(new URL('docs/cli.md', root), 'utf8')
  const listed = page
    .slice(page.indexOf('\n## Findings'), page.indexOf('\n## Options'))
    .match(/(?<=^\| `.*)`[a-z-]+`|(?<=^\| )`[a-z-]+`/gm)
  const sourcesFolder = new URL('src/cli/doctor/', root)
  const files = (await readdir(sourcesFolder, { recursive: true })).filter((name) => name.endsWith('.ts'))
  const sources = await Promise.all(files.map((name) => readFile(new URL(name, sourcesFolder), 'utf8')))
  const ids = sources.flatMap((source) => [
    ...source.matchAll(
      /\b(?:id: |(?:problem|warning|finding)\)?\()\s*(?:\w+ \? )?'([a-z-]+)'(?: : '([a-z-]+)')?/g,
    ),
  ])
  const found = ids
    .flatMap(([, one, other]) => (other === undefined ? [one] : [one, other]))
    .map((id) => `\`${id}\``)
  const ofFallback = found
    .filter((id) => id.startsWith('`tls-'))
    .map((id) => id.replace('tls-', 'fallback-tls-'))
  expect(listed?.toSorted()).toEqual([...new Set([...found, ...ofFallback])].toSorted())
})
