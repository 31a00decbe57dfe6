import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFleet, startLocalAws, type Fleet, type LocalAws } from 'onehop/testing'
import { expect, test, vi } from 'vitest'
import {
  busyWhenConnected,
  environmentOf,
  runCli,
  runInShell,
  runInTerminal,
  startCli,
  startInTerminal,
} from '../../support/processes/cli.ts'
import { ca, cert, key } from '../../support/transports/tls.ts'

// A test starts up to three processes.
vi.setConfig({ testTimeout: 60_000 })

const HOST = 'orders.shop.local'
const URL = `http://${HOST}/things?x=1`
const AUTO = ['call', '--allow-loopback']
/** DNS has no ports, and a process that the machine gives no time for a second would go by DNS. */
const CALL = [...AUTO, '--discovery', 'api']

function register(aws: LocalAws, fleet: Fleet): void {
  aws.addService(HOST)
  for (const { id, address, port, zone } of fleet.tasks) aws.register(HOST, id, { ipv4: address, port, zone })
}

interface CallJson {
  readonly calls: readonly {
    readonly via: string
    readonly status?: number
    readonly error?: string
    readonly warning?: string
    readonly totalMs: number
    readonly attempts: readonly Record<string, unknown>[]
  }[]
}

function read(stdout: string): CallJson['calls'] {
  return (JSON.parse(stdout) as CallJson).calls
}

test('shows the attempt: the task and why, and each of its times', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1, zones: ['eu-west-1b'] })
  register(aws, fleet)
  const { code, stdout, stderr } = await runCli([...CALL, URL], environmentOf(aws))
  expect([code, stderr]).toEqual([0, ''])
  const [title, head, attempt, why] = stdout.split('\n')
  // A query may hold a secret, and ECS Exec keeps logs.
  expect(title).toBe(`GET http://${HOST}/things?…, times in ms`)
  expect(head?.trim().split(/ {2,}/)).toEqual([
    ...['CALL', 'TRY', 'TASK', 'ZONE', 'WAIT', 'CONNECT', 'TLS', 'HEADERS', 'BODY', 'TOTAL', 'RESULT'],
  ])
  expect(attempt).toMatch(
    /^ {3}1 {5}1 {2}127\.0\.1\.1:\d+ +eu-west-1b +\d+\.\d +\d+\.\d +- +\d+\.\d +\d+\.\d +\d+\.\d {2}200 {2}\d+ bytes$/,
  )
  // The zone of the caller is looked up beside the first call.
  expect(why?.trim()).toMatch(/^the only available task(, one of 1 in this zone)?, not called before$/)
})

test('a retry is an attempt of its own, on another task', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 3 })
  register(aws, fleet)
  // Two of three: a call that meets neither is one of many.
  await fleet.tasks[0]?.set({ kind: 'status', status: 503 })
  await fleet.tasks[1]?.kill()
  const { code, stdout } = await runCli([...CALL, '--json', '-n', '10', URL], environmentOf(aws))
  expect(code).toBe(0)
  const calls = read(stdout)
  expect(calls.map(({ status }) => status)).toEqual(Array(10).fill(200))
  const attempts = calls.flatMap((call) => call.attempts)
  expect(attempts).toContainEqual(
    expect.objectContaining({
      upstream: `127.0.1.2:${fleet.port}`,
      outcome: 'connect-error',
      connection: 'none',
    }),
  )
  const retry = attempts.find(({ attempt }) => attempt === 2)
  expect(retry?.['why']).toMatch(/^a retry: attempt 1 failed on 127\.0\.1\.[12]:\d+; /)
})

test('the second call goes over the same connection', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  const { stdout } = await runCli([...CALL, '--json', '-n', '2', URL], environmentOf(aws))
  const [first, second] = read(stdout).map(({ attempts }) => attempts[0])
  expect(first).toMatchObject({ connection: 'new', connectMs: expect.any(Number) as number })
  expect(second).toMatchObject({ connection: 'reused', status: 200 })
  expect(second).not.toHaveProperty('connectMs')
})

test('says how often the task was called before, and nothing about answers where there are none', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  const args = [...CALL, '--json', '-n', '3', '--via', 'direct', URL]
  const whys = read((await runCli(args, environmentOf(aws))).stdout).map(
    ({ attempts }) => attempts[0]?.['why'],
  )
  expect(whys[0]).toMatch(/not called before$/)
  expect(whys[1]).toMatch(/called 1 time before$|expected to take/)
  expect(whys[2]).toMatch(/called 2 times before$|expected to take/)
  await fleet.tasks[0]?.kill()
  const dead = await runCli([...CALL, '-n', '4', URL], environmentOf(aws))
  expect(dead.code).toBe(1)
  expect(dead.stdout).toContain('none of 1 tasks is available, so all are tried')
  expect(dead.stdout).not.toMatch(/one of 0|answers by task/)
})

test('without the API the port is a guess: the call says why, and which option mends it', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  aws.cloudMap.faults.answer = 'throttle'
  const throttled = await runCli([...AUTO, URL], environmentOf(aws))
  expect(throttled.code).toBe(1)
  expect(throttled.stdout).toMatch(
    /names a port \(DNS is asked instead: .*(RequestLimitExceeded|no answer in 1000 ms).*\): give .* with --port/,
  )
  const port = ['--port', String(fleet.port)]
  const good = await runCli([...AUTO, ...port, '-n', '2', URL], environmentOf(aws))
  expect(good.code).toBe(0)
  const warnings = good.stdout.match(/DNS is asked instead: .*(RequestLimitExceeded|no answer in 1000 ms)/g)
  expect(warnings).toEqual([...new Set(warnings)])
  const without = await runCli([...AUTO, ...port, '--json', URL], {
    ...environmentOf(aws),
    AWS_SECRET_ACCESS_KEY: undefined,
  })
  expect(read(without.stdout)[0]).toMatchObject({
    warning: expect.stringContaining('AWS_SECRET_ACCESS_KEY') as string,
  })
  expect(without.stdout).not.toContain('cloudMap.')
})

test('a process that is busy while it asks the API goes by it, and knows the port', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  const env = environmentOf(aws, busyWhenConnected(1_500))
  const { stdout } = await runCli([...AUTO, '--json', URL], env)
  expect(read(stdout)[0]).toMatchObject({ status: 200, attempts: [{ upstream: `127.0.1.1:${fleet.port}` }] })
})

test('TLS: connection and handshake apart, over HTTP/1.1', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'onehop-call-'))
  try {
    const file = join(folder, 'ca.pem')
    await writeFile(file, ca)
    await using aws = await startLocalAws()
    await using fleet = await startFleet({ tasks: 1, tls: { key, cert } })
    register(aws, fleet)
    const url = `https://${HOST}/`
    const { code, stdout } = await runCli([...CALL, '--json', '--ca', file, url], environmentOf(aws))
    expect(code).toBe(0)
    const attempt = read(stdout)[0]?.attempts.at(-1)
    const { connectMs, tlsMs, waitMs, totalMs } = attempt as Record<string, number>
    expect(connectMs).toBeGreaterThan(0)
    expect(tlsMs).toBeGreaterThan(0)
    expect((connectMs ?? 0) + (tlsMs ?? 0)).toBeLessThan(totalMs ?? 0)
    expect(waitMs).toBeGreaterThan(0)
    const untrusted = await runCli([...CALL, url], environmentOf(aws))
    expect(untrusted.code).toBe(1)
    expect(untrusted.stdout).toContain('The certificate is of a CA that this process does not trust')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('straight to tasks and through the load balancer, alternately', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 2 })
  register(aws, fleet)
  const balancer = `http://127.0.0.1:${(await startBalancer(fleet)).port}`
  const args = [...CALL, '-n', '3', '--via', 'direct,fallback', '--fallback', balancer, '--json', URL]
  const { code, stdout } = await runCli(args, environmentOf(aws))
  expect(code).toBe(0)
  const calls = read(stdout)
  expect(calls.map(({ via }) => via)).toEqual([
    'direct',
    'fallback',
    'direct',
    'fallback',
    'direct',
    'fallback',
  ])
  for (const { via, attempts } of calls) expect(attempts[0]?.['tier']).toBe(via === 'direct' ? 0 : 1)
})

test('tasks that are gone: the call falls back, and says why', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 2 })
  register(aws, fleet)
  const balancer = `http://127.0.0.1:${(await startBalancer(fleet)).port}`
  aws.deregister(HOST, 'task-1')
  aws.deregister(HOST, 'task-2')
  const { code, stdout } = await runCli(
    [...CALL, '--fallback', `${HOST}=${balancer}`, URL],
    environmentOf(aws),
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/the load balancer: the service has no tasks/)
})

test('a hedge is shown beside the attempt that is late', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 2 })
  register(aws, fleet)
  const running = startCli([...CALL, '--hedge', '-n', '100000', URL], environmentOf(aws))
  // Hedging needs a hundred latencies.
  await running.until('\n 150 ')
  await fleet.tasks[0]?.set({ kind: 'slow', delayMs: 300 })
  await running.until('a hedge: 127.0.1.1:')
  running.kill('SIGINT')
  const { code, stdout } = await running.outcome
  expect(code).toBe(130)
  // What there was until then.
  expect(stdout).toMatch(/client +\d+ +\d+ +\d+ +[1-9]/)
})

test('method, headers and body as with curl; the body of the response for programs', async () => {
  await using aws = await startLocalAws()
  const seen: string[] = []
  await using fleet = await startFleet({
    tasks: 1,
    handler: (request, response) => {
      let body = ''
      request.on('data', (piece: Buffer) => (body += piece.toString()))
      request.on('end', () => {
        seen.push(
          `${request.method} ${request.headers['content-type']} ${String(request.headers['x-a'])} ${body}`,
        )
        response.end('{"made":true}')
      })
    },
  })
  register(aws, fleet)
  const env = environmentOf(aws)
  const posted = await runCli([...CALL, '-d', 'a=1', '-H', 'X-A: 1', '-H', 'x-a: 2', '--body', URL], env)
  expect([posted.code, posted.stdout]).toEqual([0, '{"made":true}'])
  expect(posted.stderr).toContain('200  13 bytes')
  await runInShell(
    `echo -n hello | onehop ${CALL.join(' ')} -X PUT -H 'content-type: text/plain' -d @- '${URL}'`,
    env,
  )
  expect(seen).toEqual(['POST application/x-www-form-urlencoded 1, 2 a=1', 'PUT text/plain undefined hello'])
})

test('a response of 5xx is a failure, one of 4xx is none', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  const codes: (number | undefined)[] = []
  for (const status of [404, 500]) {
    await fleet.tasks[0]?.set({ kind: 'status', status })
    codes.push((await runCli([...CALL, URL], environmentOf(aws))).code)
  }
  expect(codes).toEqual([0, 1])
})

test('the time limit ends a call that hangs', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  await fleet.tasks[0]?.set({ kind: 'hang' })
  const { code, stdout } = await runCli([...CALL, '--timeout', '300', URL], environmentOf(aws))
  expect(code).toBe(1)
  expect(stdout).toContain('ONEHOP_DEADLINE_EXCEEDED')
})

test('Ctrl-C ends a call that hangs, and prints what there is', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  await fleet.tasks[0]?.set({ kind: 'hang' })
  const running = startCli([...CALL, URL], environmentOf(aws))
  await running.until('RESULT')
  while ((await fleet.tasks[0]?.stats())?.requests !== 1)
    await new Promise((resolve) => setTimeout(resolve, 10))
  running.kill('SIGINT')
  const { code, stdout } = await running.outcome
  expect(code).toBe(130)
  expect(stdout).toMatch(/127\.0\.1\.1:\d+ .*\n.*\n {3}1 {2}interrupted/)
})

test('in a terminal there are colours, unless NO_COLOR is set', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  register(aws, fleet)
  const colour = '\u001B[32m200\u001B[39m'
  const { code, stdout } = await runInTerminal([...CALL, URL], environmentOf(aws))
  expect([code, stdout.includes(colour)]).toEqual([0, true])
  const plain = await runInTerminal([...CALL, URL], environmentOf(aws, { NO_COLOR: '1' }))
  expect(plain.stdout).not.toContain('\u001B[')
  const forced = await runCli([...CALL, URL], environmentOf(aws, { FORCE_COLOR: '1' }))
  expect(forced.stdout).toContain(colour)
})

test.each([
  [['not-a-url'], 'URL: got "not-a-url"; allowed: an http or https URL'],
  [['http://10.0.1.7/'], 'the name of a service as host, not an address'],
  [['--via', 'alb', URL], '--via: got "alb"; allowed: direct, fallback'],
  [['--via', 'fallback', URL], '--via fallback needs the load balancer: --fallback URL'],
  [['-H', 'nonsense', URL], '--header: allowed: NAME:VALUE'],
  [['-H', 'a: one\ntwo', URL], '--header: allowed: NAME:VALUE'],
  [['-H', 'a b: one', URL], '--header: allowed: NAME:VALUE'],
  [['-X', 'GE T', URL], '--request: got "GE T"; allowed: a method'],
  [['http://user:hunter2@orders.shop.local/'], 'URL: a user and a password are not sent'],
  [['-d', '@/nonexistent', URL], '--data: cannot read "/nonexistent"'],
  [['--ca', '/nonexistent', URL], '--ca: cannot read "/nonexistent"'],
  [['--fallback', 'alb', URL], '--fallback: got "alb"; allowed: an http or https URL of scheme, host'],
  [['--fallback', 'http://', URL], '--fallback: got "http://"; allowed: an http'],
  [['-n', '0', URL], '--count: got "0"; allowed: an integer from 1 to 100000'],
])('wrong usage: %j', async (args, message) => {
  const { code, stdout, stderr } = await runCli(['call', ...args])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
  expect(stderr).not.toContain('hunter2')
  expect(stderr).toContain('See: onehop call --help')
})

/** Stands for a load balancer: a task that is in no registry. */
async function startBalancer(fleet: Fleet): Promise<{ readonly port: number }> {
  const task = await fleet.add()
  const { createServer, connect } = await import('node:net')
  const server = createServer((socket) => {
    const other = connect(task.port, task.address)
    socket.on('error', () => other.destroy())
    other.on('error', () => socket.destroy())
    socket.pipe(other).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return { port: (server.address() as { port: number }).port }
}

test('Ctrl-C in a terminal ends the wait for a body', async () => {
  const terminal = startInTerminal(['call', '-d', '@-', URL])
  await terminal.until('Reads the body from the terminal; Ctrl-D ends it.')
  terminal.type('half of a bo\u0003')
  expect((await terminal.outcome).code).toBe(130)
})
