/**
 * An option may be undefined, as `port: config.port` may be: it is as if it were not there. Compiled with
 * `exactOptionalPropertyTypes`, so that the types are held to it, too.
 */
import {
  cloudMapResolver,
  consistentHash,
  createClient,
  dnsResolver,
  leastRequest,
  p2c,
  random,
  roundRobin,
  taskEndpoint,
  type ClientOptions,
  type ServiceOptions,
} from 'onehop'
import { self } from 'onehop/ecs'
import { startFleet, startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { settingsOf } from '../../../src/config/settings.ts'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'

const { keep, servers } = resources()

const rate = { ratio: undefined, minPerSecond: undefined }
const budget = { ...rate, windowMs: undefined }

const service: Required<ServiceOptions> = {
  fallback: undefined,
  port: undefined,
  balancer: undefined,
  retry: {
    ...{ attempts: undefined, baseMs: undefined, maxDelayMs: undefined, maxRetryAfterMs: undefined },
    ...{ maxReplayBytes: undefined, budget, on: undefined },
  },
  hedge: undefined,
  classify: undefined,
  timeouts: { connectMs: undefined, tcpConnectMs: undefined, attemptMs: undefined, deadlineMs: undefined },
  deadlineHeader: undefined,
  outlier: {
    ...{ baseMs: undefined, maxEjectedRatio: undefined },
  },
  slowStartMs: undefined,
  subset: undefined,
  zone: { own: undefined, subnets: undefined, peers: undefined },
  maxPending: { perTask: undefined, perOrigin: undefined },
  pool: undefined,
}

const cloudMap = {
  ...{ region: undefined, endpoint: undefined, credentials: undefined, revisionMs: undefined },
  ...{ fullReadMs: undefined, queryParameters: undefined, optionalParameters: undefined, family: undefined },
  ownerAccount: undefined,
}
const dns = {
  ...{ servers: undefined, timeoutMs: undefined, tries: undefined, family: undefined, record: undefined },
}

const client: Required<ClientOptions> = {
  ...service,
  namespaces: undefined,
  services: undefined,
  discovery: undefined,
  dns,
  cloudMap,
  allowLoopback: undefined,
  allowAddresses: undefined,
  passthrough: undefined,
  interceptors: undefined,
  clock: undefined,
  random: undefined,
}

test('a host whose options are undefined is not there', () => {
  const services = { 'a.b': { port: 8080 }, 'c.d': undefined }
  expect([...settingsOf({ services }).services.keys()]).toEqual(['a.b'])
  expect([...settingsOf({ services }).spellings.keys()]).toEqual(['a.b'])
})

test('undefined options of a client are those that are not there', async () => {
  const { balancer: _one, clientId: _id, ...settings } = settingsOf(client).defaults
  const { balancer: _other, clientId: _otherId, ...defaults } = settingsOf({}).defaults
  expect(settings).toEqual(defaults)
  expect(
    settingsOf({ hedge: { percentile: undefined, minMs: undefined, budget: rate } }).defaults.hedge,
  ).toEqual(settingsOf({ hedge: true }).defaults.hedge)
  await createClient(client).close()
})

test('those of balancers, resolvers and endpoints', () => {
  const chance = { random: undefined }
  for (const balancer of [p2c(chance), random(chance), roundRobin(chance)])
    expect(balancer).toHaveProperty('pick')
  leastRequest({ ...chance, choices: undefined })
  consistentHash({ ...chance, header: 'x', key: undefined, maxLoad: undefined, fallback: undefined })
  dnsResolver({ ...dns, clock: undefined })
  cloudMapResolver({ ...cloudMap, clock: undefined, random: undefined })
  const unknown = {
    port: undefined,
    zone: undefined,
    weight: undefined,
    id: undefined,
    attributes: undefined,
  }
  expect(taskEndpoint('10.0.0.1', unknown)).toEqual(taskEndpoint('10.0.0.1'))
})

test('those of a call, of close(), of self() and of onehop/testing', async () => {
  const [task] = await servers(1)
  const caller = keep(clientOf([task?.label ?? '']))
  const options = { deadlineMs: undefined, idempotent: undefined, hedge: undefined }
  expect((await caller.fetch(ORIGIN, options)).status).toBe(200)
  expect((await caller.request(ORIGIN, options)).statusCode).toBe(200)
  await caller.close({ withinMs: undefined })

  const aws = keep(
    await startLocalAws({ region: undefined, accountId: undefined, clock: undefined, task: undefined }),
  )
  aws.addNamespace('x.local', { type: undefined, soaTtlSeconds: undefined })
  aws.addService('a.x.local', { ttlSeconds: undefined, records: undefined, routing: undefined })
  aws.register('a.x.local', 'task-1', {
    ipv4: '127.0.1.1',
    ipv6: undefined,
    port: undefined,
    health: undefined,
  })
  const { env } = aws.metadata
  const { id } = await self({
    env,
    port: undefined,
    timeoutMs: undefined,
    attempts: undefined,
    clock: undefined,
  })
  expect(id).toBe(aws.metadata.task.taskId)
  const fleet = keep(
    await startFleet({
      tasks: 1,
      processes: undefined,
      zones: undefined,
      tls: undefined,
      graceMs: undefined,
    }),
  )
  expect(fleet.tasks).toHaveLength(1)
})
