/** Registration by the real AWS SDK against the local Cloud Map, of real servers. */
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createClient } from 'onehop'
import { register, RegistrationError, self, type RegisterOptions, type Registration } from 'onehop/ecs'
import { manualClock, startLocalAws, type LocalAws, type LocalAwsOptions } from 'onehop/testing'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { hourClock, HOUR_MS } from '../../../support/hour-clock.ts'
import { resources } from '../../../support/resources.ts'
import { cert, key } from '../../../support/transports/tls.ts'

const { keep } = resources()
const HOST = 'orders.shop.local'
/** On a busy machine. */
const PATIENT = { timeout: 25_000 }
/** In time 0 every task of a deployment would register at once; here nothing is to wait for. */
const random = { next: () => 0 }

let aws: LocalAws

async function start(options: LocalAwsOptions = {}): Promise<void> {
  aws = keep(await startLocalAws({ operationStepMs: 1, ...options }))
}

beforeEach(() => start())

function registered(options: Partial<RegisterOptions> & Pick<RegisterOptions, 'services'>): Registration {
  const settings = { cloudMap: aws.cloudMap, env: aws.metadata.env, random }
  return keep(register({ ...settings, ...options }))
}

/** A server on all addresses, that is closed after the test. */
function serve(server: Server, listen = true): Server {
  if (listen) server.listen(0)
  keep({
    async [Symbol.asyncDispose]() {
      // HTTP/2 servers have none.
      server.closeAllConnections?.()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  return server
}

test('a task registers itself with its zone, and leaves nothing behind', async () => {
  const { id } = aws.addService(HOST, { ttlSeconds: 20 })
  const registration = registered({ services: { service: id, port: 8080 } })
  expect(registration.state).toBe('waiting')
  await registration.registered
  expect(registration.state).toBe('registered')
  const { task } = aws.metadata
  expect(registration.instances).toEqual([
    { service: id, id: task.taskId, address: '10.0.11.42', port: 8080, ttlMs: 20_000 },
  ])
  expect(aws.instances(HOST)).toEqual([
    {
      id: task.taskId,
      health: 'HEALTHY',
      attributes: {
        AWS_INSTANCE_IPV4: '10.0.11.42',
        AWS_INSTANCE_PORT: '8080',
        AVAILABILITY_ZONE: task.zone,
        REGION: task.region,
        ECS_CLUSTER_NAME: 'shop',
        ECS_TASK_DEFINITION_FAMILY: 'orders',
      },
    },
  ])
  expect(JSON.parse(JSON.stringify(registration.inspect()))).toMatchObject({
    state: 'registered',
    ready: true,
    instances: [{ serviceId: id, id: task.taskId, state: 'registered', ttlMs: 20_000, customHealth: true }],
  })
  expect(await registration.deregister()).toBe('done')
  expect(registration.state).toBe('gone')
  expect(aws.instances(HOST)).toEqual([])
})

test('clients find it by API and DNS, with zone and weight', async () => {
  const { id } = aws.addService(HOST)
  await registered({ services: { service: id, port: 8080, weight: 3 } }).registered
  const { cloudMap, dns, metadata } = aws
  const options = { namespaces: ['shop.local'], cloudMap, dns: { servers: [dns.server] } }
  for (const discovery of ['api', 'dns'] as const) {
    const client = keep(createClient({ ...options, discovery }))
    const { endpoints } = await client.resolve(HOST)
    const known = discovery === 'api' ? { zone: metadata.task.zone, weight: 3, port: 8080 } : {}
    expect(endpoints).toMatchObject([{ address: '10.0.11.42', ...known }])
  }
})

test('dual stack: both addresses, and answers for A and AAAA', async () => {
  const { id } = aws.addService(HOST, { records: ['A', 'AAAA'] })
  await registered({ services: { service: id, port: 8080 } }).registered
  const { ipv4, ipv6 } = aws.metadata.task
  expect(aws.instances(HOST)).toMatchObject([
    { attributes: { AWS_INSTANCE_IPV4: ipv4, AWS_INSTANCE_IPV6: ipv6 } },
  ])
  const client = keep(
    createClient({
      namespaces: ['shop.local'],
      dns: { servers: [aws.dns.server], family: 'dual' },
      discovery: 'dns',
    }),
  )
  const { endpoints } = await client.resolve(HOST)
  expect(endpoints.map(({ address }) => address).toSorted()).toEqual([ipv4, ipv6])
})

test('an IPv6-only task', async () => {
  aws.metadata.task.ipv4 = undefined
  const { id } = aws.addService(HOST, { records: ['AAAA'] })
  const registration = registered({ services: { service: id, port: 8080 } })
  await registration.registered
  expect(registration.instances[0]?.address).toBe(aws.metadata.task.ipv6)
})

test('the task may be handed over, as self() has found it; PORT is its port', async () => {
  const { id } = aws.addService(HOST)
  const place = await self({ env: { ...aws.metadata.env, PORT: '7070' } })
  const registration = registered({ services: { service: id }, place, env: {} })
  await registration.registered
  expect(registration.instances[0]?.port).toBe(7070)
})

describe('readiness of a server', () => {
  const health: RequestListener = (request, response) => {
    response.statusCode = request.url === '/health' && request.method === 'GET' ? 204 : 500
    response.end()
  }

  const WORLDS = {
    http: () => createServer(health),
    https: () => createTlsServer({ key, cert }, health),
    h2c: () => createHttp2(health as never) as unknown as Server,
    h2: () => createSecureServer({ key, cert }, health as never) as unknown as Server,
  }

  test.each(Object.entries(WORLDS))(
    '%s: its port, once it listens and the path is good',
    async (_name, make) => {
      const { id } = aws.addService(HOST)
      const server = serve(make(), false)
      const registration = registered({ services: { service: id, port: server }, ready: '/health' })
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(registration.state).toBe('waiting')
      server.listen(0)
      await registration.registered
      const { port } = server.address() as AddressInfo
      expect(registration.instances[0]?.port).toBe(port)
      // The connections of checks do not stay open.
      await expect
        .poll(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count))))
        .toBe(0)
    },
  )

  test.each(Object.entries(WORLDS))('%s: not ready, and the reason', async (_name, make) => {
    const clock = hourClock()
    const { id } = aws.addService(HOST)
    const server = serve(make())
    const registration = registered({
      services: { service: id, port: server },
      ...{ ready: '/none', readiness: { withinMs: HOUR_MS }, clock },
    })
    await expect.poll(() => registration.inspect().notReady, PATIENT).toContain('answered 500')
    await clock.pass(HOUR_MS)
    await expect(registration.registered).rejects.toMatchObject({
      failure: 'not-ready',
      message: expect.stringMatching(
        /not ready within 3600000 ms \(GET \/none on 127\.0\.0\.1:\d+ answered 500\)/,
      ) as string,
    })
    expect(aws.cloudMap.calls).toEqual({})
  })

  test.each(Object.entries(WORLDS))('%s: an answer without an end is none', async (_name, make) => {
    const clock = hourClock()
    const { id } = aws.addService(HOST)
    const server = serve(make())
    server.removeAllListeners('request')
    server.on('request', (_, response: ServerResponse) => response.writeHead(200).write('...'))
    const registration = registered({
      services: { service: id, port: server },
      ...{ ready: '/health', readiness: { withinMs: HOUR_MS, timeoutMs: 200 }, clock },
    })
    await expect.poll(() => registration.inspect().notReady, PATIENT).toBe('no answer in 200 ms')
    await clock.pass(HOUR_MS)
    await expect(registration.registered).rejects.toMatchObject({
      message: expect.stringContaining('(no answer in 200 ms)') as string,
    })
    await expect
      .poll(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count))))
      .toBe(0)
  })

  test('a server on loopback only is refused: callers would not reach it', async () => {
    const { id } = aws.addService(HOST)
    const server = serve(createServer(), false)
    server.listen(0, '127.0.0.1')
    const registration = registered({ services: { service: id, port: server } })
    await expect(registration.registered).rejects.toMatchObject({
      failure: 'invalid',
      message: expect.stringContaining('listens on 127.0.0.1 only') as string,
    })
  })

  test('a server on a Unix socket has no port', async () => {
    const { id } = aws.addService(HOST)
    const server = serve(createServer(), false)
    server.listen('\0onehop-registration-test')
    const registration = registered({ services: { service: id, port: server } })
    await expect(registration.registered).rejects.toMatchObject({ failure: 'invalid' })
  })
})

test('outside ECS: say where', async () => {
  const { id } = aws.addService(HOST)
  const registration = registered({ services: { service: id, port: 8080 }, env: {} })
  await expect(registration.registered).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining('set the option place') as string,
  })
  const other = registered({ services: { service: id, port: 8080 }, env: {}, place: { ipv4: '10.9.0.1' } })
  await other.registered
  expect(aws.instances(HOST)).toMatchObject([{ id: '10.9.0.1-8080' }])
})

test('no credentials: at once, and what to do', async () => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, '')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/none')
  vi.stubEnv('AWS_CONFIG_FILE', '/none')
  try {
    const { id } = aws.addService(HOST)
    const { endpoint, region } = aws.cloudMap
    const registration = registered({ services: { service: id, port: 8080 }, cloudMap: { endpoint, region } })
    await expect(registration.registered).rejects.toMatchObject({
      failure: 'no-credentials',
      message: expect.stringContaining('give the task a role, or set cloudMap.credentials') as string,
    })
    expect(await registration.deregister()).toBe('done')
  } finally {
    vi.unstubAllEnvs()
  }
})

test('a role whose credentials come late is waited for', async () => {
  let asked = 0
  const credentials = async () => {
    asked++
    if (asked < 3) throw new Error('the endpoint is not there yet')
    return { accessKeyId: 'AKIALOCALEXAMPLE', secretAccessKey: 'local' }
  }
  const { id } = aws.addService(HOST)
  const { endpoint, region } = aws.cloudMap
  const registration = registered({
    services: { service: id, port: 8080 },
    cloudMap: { endpoint, region, credentials },
  })
  await registration.registered
  expect(asked).toBeGreaterThanOrEqual(3)
})

test('denied: which action, on which resource, and no secret', async () => {
  const { id, arn } = aws.addService(HOST)
  aws.cloudMap.faults.operations = { RegisterInstance: { answer: 'deny' } }
  const registration = registered({ services: { service: id, port: 8080 } })
  const error: unknown = await registration.registered.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(RegistrationError)
  const { failure, action, resource, message } = error as RegistrationError
  expect([failure, action, resource]).toEqual(['denied', 'servicediscovery:RegisterInstance', arn])
  expect(message).not.toMatch(/AKIA|secret/i)
})

const STEPS = ['GetService', 'ListInstances', 'RegisterInstance', 'GetOperation'] as const
const FAULTS = {
  'delayed by 300 ms': { delayMs: 300 },
  throttled: { answer: 'throttle', times: 2 },
  'denying one request': { answer: 'deny', times: 1 },
  'out of order with 503': { answer: 'unavailable', times: 2 },
  'hung for one request': { answer: 'hang', times: 1 },
  'losing an answer': { answer: 'lose', times: 1 },
} as const

// Side by side: a request whose fate is not known is waited for.
test.concurrent.each(Object.entries(FAULTS))(
  'deregister() at every step of the start, with the API %s: nothing stays registered',
  async (_name, fault) => {
    await Promise.all(
      STEPS.map(async (step) => {
        await using own = await startLocalAws({ operationStepMs: 100 })
        const { id } = own.addService(HOST)
        own.cloudMap.faults.operations = { [step]: { ...fault } }
        const { cloudMap, metadata } = own
        await using registration = register({
          ...{ services: { service: id, port: 8080 }, cloudMap, env: metadata.env, random },
        })
        await expect
          .poll(() => own.cloudMap.calls[step] ?? 0, { interval: 2, timeout: 80_000 })
          .toBeGreaterThan(0)
        expect([step, await registration.deregister({ withinMs: 60_000 })]).toEqual([step, 'done'])
        expect([step, own.instances(HOST)]).toEqual([step, []])
      }),
    )
  },
  // Two dozen worlds in one process, each with the SDK.
  150_000,
)

test('deregister() within its budget while all of the API hangs: failed, and not later', async () => {
  const { id } = aws.addService(HOST)
  const registration = registered({ services: { service: id, port: 8080 } })
  await registration.registered
  aws.cloudMap.faults.answer = 'hang'
  const from = performance.now()
  expect(await registration.deregister({ withinMs: 1_000 })).toBe('failed')
  expect(performance.now() - from).toBeGreaterThan(900)
})

test('health that shows late in Cloud Map is reported once', async () => {
  const clock = manualClock()
  await start({ clock })
  const { id } = aws.addService(HOST)
  aws.cloudMap.faults.healthDelayMs = 200
  const registration = registered({ services: { service: id, port: 8080 } })
  // Time for operations of Cloud Map.
  const operate = (): Promise<void> => clock.advance(2)
  await expect.poll(() => operate().then(() => registration.state), PATIENT).toBe('registered')
  await registration.setHealthy(false)
  await clock.advance(199)
  expect(aws.instances(HOST)).toMatchObject([{ health: 'HEALTHY' }])
  await clock.advance(1)
  expect(aws.instances(HOST)).toMatchObject([{ health: 'UNHEALTHY' }])
  // Deregistration is an operation, too.
  const left = registration.deregister()
  await expect.poll(() => operate().then(() => registration.state), PATIENT).toBe('gone')
  expect(await left).toBe('done')
  expect(aws.cloudMap.calls['UpdateInstanceCustomHealthStatus']).toBe(1)
})

test('the name of a service, in a namespace without DNS, too', async () => {
  aws.addNamespace('internal', { type: 'http' })
  aws.addService('orders.internal')
  const registration = registered({ services: { service: 'orders.internal', port: 8080 } })
  await registration.registered
  expect(registration.instances[0]?.ttlMs).toBeUndefined()
  expect(aws.instances('orders.internal')).toHaveLength(1)
})
