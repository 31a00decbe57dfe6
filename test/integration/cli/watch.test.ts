import { startLocalAws, type LocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { environmentOf, runInShell, startCli } from '../../support/processes/cli.ts'

const HOST = 'orders.shop.local'
/** A, AAAA and SRV. */
const QUERIES_A_LOOK = 3
const WATCH = ['watch', '--every', '100', HOST]

/**
 * Until both sources have answered a look. The next one begins when the command has these answers: what changes at once is seen
 * by both sources in the same look.
 */
async function afterALook({ cloudMap, dns }: LocalAws): Promise<void> {
  const looks = (): number => cloudMap.calls['DiscoverInstances'] ?? 0
  const before = looks()
  const isDone = (): boolean => looks() > before && dns.queries === QUERIES_A_LOOK * looks()
  await new Promise<void>((resolve) => {
    const check = (): void => void (isDone() ? resolve() : setImmediate(check))
    check()
  })
}

test('a line for each change, until Ctrl-C', async () => {
  await using aws = await startLocalAws()
  aws.addService(HOST)
  aws.register(HOST, 'one', { ipv4: '10.0.11.42', port: 8080, zone: 'eu-west-1b' })
  const watch = startCli(WATCH, environmentOf(aws))
  await watch.until('10.0.11.42:8080')
  await afterALook(aws)
  aws.register(HOST, 'two', { ipv4: '10.0.12.7', port: 8080, zone: 'eu-west-1a' })
  await watch.until('+ 10.0.12.7:8080')
  await afterALook(aws)
  aws.setHealth(HOST, 'two', 'UNHEALTHY')
  await watch.until('~ 10.0.12.7:8080')
  await afterALook(aws)
  aws.deregister(HOST, 'two')
  await watch.until('- 10.0.12.7:8080')
  aws.cloudMap.faults.answer = 'deny'
  await watch.until('! API fails')
  aws.cloudMap.faults.clear()
  await watch.until('! API answers again')
  watch.kill('SIGINT')
  const { code, stdout, stderr } = await watch.outcome
  expect([code, stderr]).toEqual([130, ''])
  const lines = stdout.split('\n').filter((line) => /^\d\d:\d\d:\d\d\.\d{3} /.test(line))
  expect(lines.map((line) => line.slice(14).replace(/\d{5,}/g, 'N'))).toEqual([
    '  revision N → N',
    '+ 10.0.12.7:8080  eu-west-1a  HEALTHY  dns api',
    expect.stringMatching(
      /^~ 10\.0\.12\.7:8080 {2}health HEALTHY → UNHEALTHY, difference none → unhealthy, sources/,
    ),
    '  revision N → N',
    expect.stringMatching(/^- 10\.0\.12\.7:8080/),
    expect.stringMatching(/^! API fails: the Cloud Map API denies it/),
    '! API answers again',
  ])
})

test('NDJSON for programs: a snapshot, then changes with their time', async () => {
  await using aws = await startLocalAws()
  aws.addService(HOST)
  aws.register(HOST, 'one', { ipv4: '10.0.11.42', port: 8080, zone: 'eu-west-1b' })
  const watch = startCli([...WATCH, '--json'], environmentOf(aws))
  await watch.until('"snapshot"')
  await afterALook(aws)
  aws.deregister(HOST, 'one')
  await watch.until('endpoint.removed')
  watch.kill('SIGINT')
  const { stdout } = await watch.outcome
  const [first, ...rest] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(first).toMatchObject({ event: 'snapshot', host: HOST, endpoints: [{ address: '10.0.11.42' }] })
  expect(rest).toMatchObject([
    { event: 'revision.changed' },
    { event: 'endpoint.removed', time: expect.stringMatching(/^\d{4}-/) as string, endpoint: { id: 'one' } },
  ])
})

test('ends quietly when its reader has gone', async () => {
  await using aws = await startLocalAws()
  aws.addService(HOST)
  aws.register(HOST, 'one', { ipv4: '10.0.11.42', port: 8080 })
  const timer = setInterval(() => {
    // Each change is a line, and the second line has no reader.
    aws.register(HOST, 'one', { ipv4: '10.0.11.42', port: 8080 })
  }, 50)
  try {
    const { code, stdout, stderr } = await runInShell(
      `onehop watch --every 100 --json ${HOST} | head -1 | cut -c1-19`,
      environmentOf(aws),
    )
    expect([code, stdout, stderr]).toEqual([0, '{"event":"snapshot"\n', ''])
  } finally {
    clearInterval(timer)
  }
})

test('tasks beyond the eight that DNS names do not come and go', async () => {
  await using aws = await startLocalAws()
  aws.addService(HOST)
  for (let index = 1; index <= 10; index++)
    aws.register(HOST, `task-${index}`, { ipv4: `10.0.12.${index}`, port: 8080 })
  const watch = startCli([...WATCH, '--json', '--discovery', 'dns'], environmentOf(aws))
  await watch.until('"snapshot"')
  const asked = aws.dns.queries
  while (aws.dns.queries < asked + 60) await new Promise((resolve) => setTimeout(resolve, 20))
  watch.kill('SIGINT')
  const { stdout } = await watch.outcome
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event: string }).event)
  // The snapshot has eight; the other two are seen within the next looks.
  expect(events).toEqual(['snapshot', 'endpoint.added', 'endpoint.added'])
}, 90_000)
