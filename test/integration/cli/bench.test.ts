import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BenchReport } from '../../../src/bench/report/report.ts'
import { startBenchWorld, type BenchWorld } from '../../support/bench/bench-world.ts'
import { runCli, runInTerminal, startCli } from '../../support/processes/cli.ts'
import { until } from '../../support/until.ts'

// On a machine that stands still for seconds, all calls that were due meanwhile are sent at once.
const SHORT = [
  '--rate',
  '300',
  '--duration',
  '8s',
  '--max-in-flight',
  '10000',
  '--timeout',
  '60000',
  '--warm-up',
  '1s',
  '--set-up',
  '2',
]
const SHORTEST = shortest({})

function shortest({
  duration = '1s',
  setUp = 0,
}: {
  readonly duration?: string
  readonly setUp?: number
}): string[] {
  return ['--rate', '100', '--duration', duration, '--warm-up', '0s', '--set-up', String(setUp)]
}

let world: BenchWorld
let folder: string
beforeAll(async () => {
  world = await startBenchWorld()
  folder = await mkdtemp(join(tmpdir(), 'onehop-bench-'))
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function requestsOf({ fleet }: BenchWorld): Promise<number> {
  const stats = await Promise.all(fleet.tasks.map((task) => task.stats()))
  return stats.reduce((sum, { requests }) => sum + requests, 0)
}

test('a run compares four arms and a control, and counts every call', async () => {
  const page = join(folder, 'report.html')
  const { code, stdout, stderr } = await runCli(
    [...world.args, ...SHORT, '--json', '--html', page, '--assert', 'errors(direct) <= 0'],
    world.env,
  )
  expect(stderr).toContain(`The report is in ${page}`)
  const report = JSON.parse(stdout) as BenchReport
  expect(report.format).toBe(1)
  expect(report.arms.map(({ name }) => name)).toEqual(['dns', 'api', 'fallback', 'undici', 'control'])
  expect(report.comparisons.map(({ arm, baseline }) => `${arm} - ${baseline}`)).toEqual([
    'dns - fallback',
    'api - fallback',
    'undici - fallback',
    'control - dns',
  ])
  for (const { calls, succeeded, failures, notSent, latency } of report.arms) {
    expect({ failures, notSent, succeeded }).toEqual({ failures: [], notSent: 0, succeeded: calls })
    // 300 calls a second to five arms, and at most half of the run is cut.
    expect(calls).toBeGreaterThan(200)
    expect(latency[0]?.ms).toBeGreaterThan(0)
    // Far fewer than 10,000 calls.
    expect(latency[2]).toEqual({ share: 0.99, ms: null, interval: null })
  }
  expect(report.arms.reduce((sum, { calls }) => sum + calls, 0)).toBe(report.load.calls)
  expect(report.assertions).toEqual([
    { text: 'errors(direct) <= 0', holds: true, values: 'errors(direct) = 0' },
  ])
  expect(code).toBe(0)
  expect(await readFile(page, 'utf8')).toContain('<!doctype html>')
}, 120_000)

test('calls are known by task and zone, and by the balancer', async () => {
  // 100 calls to each arm: of fewer, the few that go to other zones on purpose may be a fifth.
  const args = [...world.args, ...shortest({ duration: '5s' }), '--zone', 'eu-west-1a', '--json']
  const { stdout } = await runCli(args, world.env)
  const { arms, cost, where } = JSON.parse(stdout) as BenchReport
  const [dns, api, fallback, undici] = arms
  expect(where).toMatchObject({ zone: 'eu-west-1a', fallback: `http://${world.balancer.label}` })
  const tasks = new Set(world.fleet.tasks.map(({ address, port }) => `${address}:${port}`))
  expect(dns?.byUpstream.every(({ name }) => tasks.has(name))).toBe(true)
  // DNS reports no zones: those that the API reports of the same tasks are used.
  expect(dns?.byUpstream.map(({ zone }) => zone)).not.toContain(null)
  // The API reports zones, and calls stay in the caller's.
  expect(api?.byZone[0]).toMatchObject({ name: 'eu-west-1a' })
  expect(api?.byZone[0]?.share).toBeGreaterThan(0.8)
  expect(cost.inputs.remoteShare.api).toBeLessThan(0.2)
  for (const arm of [fallback, undici])
    expect(arm?.byUpstream.map(({ name, share }) => [name, share])).toEqual([[world.balancer.label, 1]])
  // Bytes on the wire: a request and a response have headers of more than 100 bytes.
  for (const { bytes } of arms) expect(bytes.perCall).toBeGreaterThan(100)
})

test('set-up is measured for each way: lookup, connection, first and second call', async () => {
  const { stdout } = await runCli([...world.args, ...shortest({ setUp: 3 }), '--json'], world.env)
  const { setUp } = JSON.parse(stdout) as BenchReport
  expect(setUp.map(({ way, failed }) => [way, failed])).toEqual([
    ['dns', 0],
    ['api', 0],
    ['fallback', 0],
    ['undici', 0],
  ])
  for (const { way, lookup, tcp, tls, coldCall, warmCall } of setUp) {
    expect(tcp?.tries).toBe(3)
    expect(coldCall?.tries).toBe(3)
    expect(warmCall?.tries).toBe(3)
    expect(tls).toBeNull()
    // The balancer is given by its address.
    expect(lookup?.tries).toBe(way === 'dns' || way === 'api' ? 3 : undefined)
  }
})

test('an assertion that fails, and one that the run cannot tell, exit with 1', async () => {
  const assertions = ['--assert', 'max(direct) < 0.001ms', '--assert', 'p99.9(direct) < 1s']
  const { code, stdout } = await runCli([...world.args, ...SHORTEST, ...assertions], world.env)
  expect(code).toBe(1)
  expect(stdout).toContain('fails: max(direct) < 0.001ms')
  expect(stdout).toContain('cannot tell: p99.9(direct) < 1s (p99.9(direct) = cannot tell)')
})

test('Ctrl-C prints what there is', async () => {
  const args = [...world.args, '--rate', '100', '--duration', '10m', '--warm-up', '0s', '--set-up', '0']
  const before = await requestsOf(world)
  const cli = startCli(args, world.env)
  // Half of the calls are direct ones: those of two seconds.
  await until(async () => (await requestsOf(world)) - before > 100, 'calls are measured')
  cli.kill('SIGINT')
  const { code, stdout } = await cli.outcome
  expect(code).toBe(130)
  expect(stdout).toContain('The run was interrupted after')
  expect(stdout).toContain('Latency in ms')
})

test('Ctrl-C ends it at once while a first call has no answer', async () => {
  const called = Promise.withResolvers<void>()
  await using silent = await startBenchWorld(() => called.resolve())
  const cli = startCli([...silent.args, '--timeout', '20000'], silent.env)
  await called.promise
  const begun = performance.now()
  cli.kill('SIGINT')
  expect(await cli.outcome).toEqual({ code: 130, stdout: '', stderr: '' })
  expect(performance.now() - begun).toBeLessThan(10_000)
})

test('a default arm that cannot be called is left out, one that was asked for ends the run', async () => {
  const env = { ...world.env, AWS_ENDPOINT_URL_SERVICEDISCOVERY: 'http://127.0.0.1:1' }
  const left = await runCli([...world.args, ...SHORTEST, '--json'], env)
  expect(left.stderr).toContain('The arm api is left out')
  const report = JSON.parse(left.stdout) as BenchReport
  expect(report.arms.map(({ name }) => name)).toEqual(['dns', 'fallback', 'undici', 'control'])
  expect(report.notices.join()).toContain('The arm api is left out')

  const poor = { ...world.env, AWS_SECRET_ACCESS_KEY: undefined }
  const without = await runCli([...world.args, ...SHORTEST, '--arms', 'dns,api'], poor)
  expect(without.stderr).toMatch(
    /set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or leave api out of --arms/,
  )

  const page = join(folder, 'none.html')
  const asked = await runCli([...world.args, ...SHORTEST, '--arms', 'dns,api', '--html', page], env)
  expect(asked.code).toBe(1)
  expect(asked.stderr).toContain('the arm api cannot be called')
  expect(asked.stdout).toBe('')
  expect(existsSync(page)).toBe(false)
}, 60_000)

test('without a load balancer the two ways of discovery are compared', async () => {
  const { url, env } = world
  const { code, stdout, stderr } = await runCli(
    ['bench', url, '--allow-loopback', ...SHORTEST, '--json'],
    env,
  )
  // undici alone asks the system, which does not know the name.
  expect(stderr).toContain('The arm undici is left out: ENOTFOUND')
  expect(code).toBe(0)
  const report = JSON.parse(stdout) as BenchReport
  expect(report.arms.map(({ name }) => name)).toEqual(['dns', 'api', 'control'])
  expect(report.comparisons.map(({ arm, baseline }) => [arm, baseline])).toEqual([
    ['api', 'dns'],
    ['control', 'dns'],
  ])
})

test('values of headers, of the body and of the query are in no output', async () => {
  const page = join(folder, 'secret.html')
  const { fleet, balancer } = world
  const url = `http://orders.shop.local:${fleet.port}/v1/orders?token=it's hunter2`
  const args = ['bench', url, '--fallback', `http://${balancer.label}`, '--allow-loopback', ...SHORTEST]
  const secrets = [
    '--method',
    'POST',
    '--header',
    "authorization: Bearer hun'ter2",
    // The body begins with it.
    '--header',
    'x-tenant: p',
    '--body',
    'x-tenant: password=hunter2',
  ]
  const { code, stdout, stderr } = await runCli([...args, ...secrets, '--html', page], world.env)
  expect(code).toBe(0)
  const outputs = stdout + stderr + (await readFile(page, 'utf8'))
  expect(outputs).not.toContain('hunter2')
  expect(outputs).not.toContain('ter2')
  expect(stdout).toContain('--header authorization:… --header x-tenant:… --body …')
  const seen = balancer.seen.findLast(({ method }) => method === 'POST')
  expect(seen?.headers['authorization']).toBe("Bearer hun'ter2")
  expect(seen?.body).toBe('x-tenant: password=hunter2')
})

test.for([
  [['orders.shop.local'], 'URL: got "orders.shop.local"; allowed: an http or https URL'],
  [['http://user:pass@orders.shop.local'], 'a user and a password are not sent'],
  [
    ['http://orders.shop.local', '--arms', 'dns,alb'],
    '--arms: got "dns,alb"; allowed: dns, api, fallback, undici',
  ],
  [['http://orders.shop.local', '--arms', 'dns,dns'], 'an arm is given twice'],
  [['http://orders.shop.local', '--arms', 'fallback'], 'give --fallback'],
  [['http://orders.shop.local', '--baseline', 'fallback'], 'allowed: dns, api, undici'],
  [['http://orders.shop.local', '--duration', '90'], 'a time with a unit (ms, s, m, h), e.g. 90s'],
  [
    ['http://orders.shop.local', '--fallback', 'http://u:hunter2@alb'],
    'an http or https URL of scheme, host and port',
  ],
  [['http://orders.shop.local', '--assert', 'p98(direct) < 1'], 'allowed: a number, p50, p90'],
  [['http://orders.shop.local', '--assert', 'p99(fallback) < 1s'], 'asks for fallback, which is not an arm'],
  [
    ['http://orders.shop.local', '--arms', 'undici', '--assert', 'p99(direct) < 1s'],
    'allowed: undici, control',
  ],
  [['http://orders.shop.local', '--header', 'hunter2'], '--header: allowed: NAME:VALUE'],
  [
    ['http://orders.shop.local', '--rate', '20000', '--duration', '24h'],
    '--rate and --duration: together 1,728,100,000 calls; allowed: at most 5,000,000',
  ],
  // Sums of infinity would be null in the JSON.
  [['http://orders.shop.local', '--calls-per-second', '1e308'], 'a number from 0 to 1000000000'],
  [['http://orders.shop.local', '--price-alb', '1e30'], 'a number from 0 to 1000000'],
  [['http://orders.shop.local', '--remote-share', '2'], 'a number from 0 to 1'],
] as const)('%j is refused: exit code 2', async ([args, message]) => {
  const { code, stdout, stderr } = await runCli(['bench', ...args], world.env)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr).not.toContain('hunter2')
})

test('a report that cannot be written is refused before the run', async () => {
  const page = join(folder, 'missing', 'report.html')
  const { code, stderr } = await runCli([...world.args, '--duration', '10m', '--html', page], world.env)
  expect(code).toBe(2)
  expect(stderr).toMatch(/--html: cannot write ".*ENOENT/)
  expect(existsSync(page)).toBe(false)
})

test('a terminal shows a bar with what is left', async () => {
  const { code, stdout } = await runInTerminal([...world.args, ...shortest({ duration: '3s' })], world.env)
  expect(code).toBe(0)
  expect(stdout).toMatch(/measuring [█░]+ \d+ %, \d s left/)
  expect(stdout).toContain('Result')
})
