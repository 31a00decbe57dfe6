/**
 * The code in the image and of the Lambda, as real processes against the local AWS. The image itself is not built here.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startLocalAws, type LocalAws } from '../../../src/testing/index.ts'
import { freePort } from '../../../test/support/ports.ts'
import { afterAll, expect, test } from 'vitest'
import { REAPING, REGISTRATION } from '../check/rules/permissions.ts'

const example = fileURLToPath(new URL('..', import.meta.url))
const root = fileURLToPath(new URL('../../..', import.meta.url))

// As in the image: the files of the app beside a node_modules that has onehop.
const image = mkdtempSync(join(tmpdir(), 'onehop-image-'))
afterAll(() => rmSync(image, { recursive: true, force: true }))
cpSync(`${example}app`, image, { recursive: true })
cpSync(`${example}reaper/index.mjs`, `${image}/reaper.mjs`)
mkdirSync(`${image}/node_modules/.bin`, { recursive: true })
symlinkSync(root, `${image}/node_modules/onehop`)
symlinkSync(`${example}node_modules/@aws-sdk`, `${image}/node_modules/@aws-sdk`)

/** The variables that Fargate sets, and those that point at the local AWS. */
function environment(aws: LocalAws): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    ONEHOP_STOP_TIMEOUT_S: '60',
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_SERVICEDISCOVERY: aws.cloudMap.endpoint,
    ...aws.metadata.env,
  }
}

function start(file: string, env: Record<string, string>): ChildProcess {
  const flags = ['--conditions=onehop:source', '--disable-warning=ExperimentalWarning', file]
  return spawn(process.execPath, flags, { cwd: image, env, stdio: ['ignore', 'ignore', 'pipe'] })
}

interface Serving {
  readonly child: ChildProcess
  readonly origin: string
  /** All of it, once the process has ended. */
  readonly stderr: Promise<string>
}

/** Starts a program of the image, and returns once it answers; on a busy machine that takes many seconds. */
async function serve(file: string, env: Record<string, string>): Promise<Serving> {
  for (;;) {
    const port = await freePort()
    const child = start(file, { ...env, PORT: String(port) })
    const stderr = text(child.stderr as Readable)
    const origin = `http://127.0.0.1:${port}`
    while (child.exitCode === null && child.signalCode === null) {
      const isReady = await fetch(`${origin}/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
      if (isReady && child.exitCode === null) return { child, origin, stderr }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    // Another process may take the port first.
    if (!(await stderr).includes('EADDRINUSE')) throw new Error(`${file} ended: ${await stderr}`)
  }
}

test('service.ts registers itself, serves, and is deregistered when it has left', async () => {
  await using aws = await startLocalAws({ operationStepMs: 1 })
  const { id } = aws.addService('reports.shop.local', { ttlSeconds: 0 })
  const { child, origin } = await serve('service.ts', { ...environment(aws), CLOUD_MAP_SERVICE: id })
  const exited = once(child, 'exit')

  await expect.poll(() => aws.instances('reports.shop.local'), { timeout: 60_000 }).toHaveLength(1)
  const answer = await fetch(`${origin}/v1/reports`)
  expect(await answer.json()).toMatchObject({ path: '/v1/reports' })

  child.kill('SIGTERM')
  // At once. The task serves on for callers that still have its address.
  await expect.poll(() => aws.instances('reports.shop.local'), { timeout: 60_000 }).toHaveLength(0)
  expect((await fetch(`${origin}/v1/reports`)).headers.get('connection')).toBe('close')
  expect(await exited).toEqual([0, null])
})

test.each([
  ['33', /takes up to 34 s/],
  ['34', /^$/],
])('the checks and the library count the same seconds: of %s s', async (ONEHOP_STOP_TIMEOUT_S, warning) => {
  await using aws = await startLocalAws()
  // On ECS, and registered by it: DNS TTL 10 s.
  const { child, stderr } = await serve('service.ts', { ...environment(aws), ONEHOP_STOP_TIMEOUT_S })
  child.kill('SIGKILL')
  expect(await stderr).toMatch(warning)
})

test('service.ts ends with an error if it may not register', async () => {
  await using aws = await startLocalAws()
  const { id } = aws.addService('reports.shop.local')
  aws.cloudMap.faults.answer = 'deny'
  const child = start('service.ts', { ...environment(aws), PORT: '0', CLOUD_MAP_SERVICE: id })
  const stderr = text(child.stderr as Readable)
  expect(await once(child, 'exit')).toEqual([1, null])
  expect(await stderr).toContain('servicediscovery:')
})

test('caller.ts goes through the balancer where it finds no task', async () => {
  await using aws = await startLocalAws()
  const balancer: Server = createServer((request, response) =>
    response.end(`balancer ${request.url}`),
  ).listen(0, '127.0.0.1')
  await once(balancer, 'listening')
  const ORDERS_FALLBACK = `http://127.0.0.1:${(balancer.address() as AddressInfo).port}`
  const { child, origin } = await serve('caller.ts', { ...environment(aws), ORDERS_FALLBACK })
  try {
    expect(await (await fetch(`${origin}/v1/orders/42`)).text()).toBe('balancer /v1/orders/42')
  } finally {
    child.kill('SIGKILL')
    balancer.closeAllConnections()
    balancer.close()
  }
})

test('the reaper deregisters what a killed task has left, and nothing else', async () => {
  await using aws = await startLocalAws({ operationStepMs: 1 })
  const { id } = aws.addService('reports.shop.local')
  const [killed, other] = ['11111111111111111111111111111111', '22222222222222222222222222222222']
  aws.register('reports.shop.local', killed, { ipv4: '10.0.1.1', port: 8080 })
  aws.register('reports.shop.local', other, { ipv4: '10.0.1.2', port: 8080 })
  const event = {
    'detail-type': 'ECS Task State Change',
    detail: { lastStatus: 'STOPPED', taskArn: `arn:aws:ecs:eu-west-1:111122223333:task/shop/${killed}` },
  }
  writeFileSync(
    `${image}/invoke.mjs`,
    `import { handler } from './reaper.mjs'\nawait handler(${JSON.stringify(event)})\n`,
  )
  const child = start('invoke.mjs', { ...environment(aws), SERVICES: id })
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(aws.instances('reports.shop.local').map((instance) => instance.id)).toEqual([other])
})

/** Runs bench.ts with a script that stands for the command line; what lands in the bucket, by method and key. */
async function bench(
  script: string,
  act: (child: ChildProcess) => Promise<void> = async () => undefined,
): Promise<{ readonly exit: unknown; readonly stored: readonly (readonly [string, string])[] }> {
  const command = `${image}/node_modules/.bin/onehop`
  rmSync(`${image}/report.html`, { force: true })
  writeFileSync(command, `#!/bin/sh\nfor last; do :; done\n${script}`)
  chmodSync(command, 0o755)
  const stored: [string, string][] = []
  const s3 = createServer((request, response) => {
    const key = `${request.method} ${request.url?.replace(/\d{4}-[^.]+\.\d+Z/, '<time>')}`
    void text(request).then((body) => {
      stored.push([key, body])
      return response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(s3, 'listening')
  const child = spawn(
    process.execPath,
    ['bench.ts', 'http://orders.shop.local:8080/', '--fallback', 'http://alb.test'],
    {
      cwd: image,
      env: {
        PATH: process.env['PATH'] ?? '',
        ...{ AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' },
        AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(s3.address() as AddressInfo).port}`,
        AWS_REQUEST_CHECKSUM_CALCULATION: 'WHEN_REQUIRED',
        ...{ BUCKET: 'reports', FOLDER: image },
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const exited = once(child, 'exit')
  await act(child)
  const exit = await exited
  s3.close()
  return { exit, stored }
}

test('bench.ts puts the page that onehop bench writes into the bucket, and exits as it does', async () => {
  const { exit, stored } = await bench('echo "$@" > "$last"\nexit 1\n')
  expect(exit).toEqual([1, null])
  const [[key, body] = []] = stored
  expect(key).toMatch(/^PUT \/(reports\/)?<time>\.html/)
  expect(body).toBe(
    `bench http://orders.shop.local:8080/ --fallback http://alb.test --html ${image}/report.html\n`,
  )
})

test('a bench task that ECS stops stores what was measured until then', async () => {
  const script = `trap 'echo half > "$last"; exit 143' TERM\necho started\nsleep 30 & wait $!\n`
  const { exit, stored } = await bench(script, async (child) => {
    if (child.stdout !== null) await once(child.stdout, 'data')
    child.kill('SIGTERM')
  })
  expect([exit, stored.map(([, body]) => body)]).toEqual([[143, null], ['half\n']])
})

test('a bench that cannot begin has no page to store, and exits as it does', async () => {
  expect(await bench('exit 2\n')).toEqual({ exit: [2, null], stored: [] })
})

test('the Dockerfile copies and runs files that are there', () => {
  const dockerfile = readFileSync(`${example}app/Dockerfile`, 'utf8')
  const [, command = '[]'] = /^CMD (.*)$/m.exec(dockerfile) ?? []
  const [, file = ''] = JSON.parse(command) as string[]
  expect(spawnSync(process.execPath, ['--check', `${image}/${file}`]).status).toBe(0)
  expect(dockerfile).toMatch(/^USER node$/m)
})

test('the roles may call what register() and the reaper call', () => {
  const source = readFileSync(`${root}src/ecs/registration/cloud-map/calls.ts`, 'utf8')
  const [, operations = ''] = /^export type OperationName =\n((?: {2}\| '\w+'\n)+)/m.exec(source) ?? []
  const called = [...operations.matchAll(/'(\w+)'/g)].map(([, name]) => `servicediscovery:${name}`)
  // Only to find a service by its name; the example has ids.
  const byName = ['servicediscovery:ListNamespaces', 'servicediscovery:ListServices']
  const onEverything = ['servicediscovery:GetOperation']
  expect([...REGISTRATION, ...onEverything, ...byName].toSorted()).toEqual(called.toSorted())
  expect(called).toEqual(expect.arrayContaining([...REAPING]))
})
