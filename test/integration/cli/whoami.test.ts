import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { environmentOf, runCli } from '../../support/processes/cli.ts'

test('shows task, zone, addresses, port and containers', async () => {
  await using aws = await startLocalAws()
  const { code, stdout, stderr } = await runCli(['whoami'], environmentOf(aws, { PORT: '8080' }))
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatchInlineSnapshot(`
    "task         5f0c2a9b7d1e4c38a6b90d2f1e7c8a44
    service      orders
    cluster      shop
    definition   orders:7
    zone         eu-west-1b
    region       eu-west-1, account 111122223333
    IPv4         10.0.11.42 in 10.0.11.0/24
    IPv6         2a05:d018:1111:2200:8f1c:2d3e:4b5a:6c7d in 2a05:d018:1111:2200::/64
    port         8080
    launch type  FARGATE
    metadata     version 4

    containers, at 127.0.0.1 for each other
      app (this one)  PULLED   111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders:1.4.0
      cache           RUNNING  public.ecr.aws/docker/library/redis:8

    global dispatchers of undici
      undici.globalDispatcher.1  not set: Node or undici makes one with the first request  fetch of Node 22 and 24, undici up to 7
      undici.globalDispatcher.2  not set: Node or undici makes one with the first request  fetch of Node 26, undici 8
    "
  `)
})

test('as JSON: the task as self() returns it', async () => {
  await using aws = await startLocalAws()
  const { code, stdout } = await runCli(['whoami', '--json'], environmentOf(aws))
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    task: { zone: 'eu-west-1b', service: 'orders', containers: [{ name: 'app' }, { name: 'cache' }] },
    dispatchers: [{ symbol: 'undici.globalDispatcher.1' }, { symbol: 'undici.globalDispatcher.2' }],
  })
})

test('off ECS there is no task, and the exit code is 1', async () => {
  const { code, stdout } = await runCli(['whoami'])
  expect(code).toBe(1)
  expect(stdout).toMatch(/^no task: .*this process does not run in an ECS task\. Run the command in a task/)
  expect(stdout).not.toContain('self()')
  expect(stdout).toContain('undici.globalDispatcher.1')
})

test('a metadata endpoint that hangs costs its timeout', async () => {
  await using aws = await startLocalAws()
  aws.metadata.faults.answer = 'hang'
  const { code, stdout } = await runCli(['whoami', '--timeout', '100'], environmentOf(aws))
  expect(code).toBe(1)
  expect(stdout).toMatch(/^no task: .*no answer in 100 ms/)
})

test('names what a preload has made global', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'onehop-whoami-'))
  try {
    const preload = join(folder, 'preload.mjs')
    const undici = import.meta.resolve('undici')
    await writeFile(
      preload,
      `import { ProxyAgent, setGlobalDispatcher } from '${undici}'; setGlobalDispatcher(new ProxyAgent('http://127.0.0.1:9'))`,
    )
    const { stdout } = await runCli(['whoami'], { NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` })
    expect(stdout).toMatch(/undici\.globalDispatcher\.2 {2}a proxy \(ProxyAgent\)/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
