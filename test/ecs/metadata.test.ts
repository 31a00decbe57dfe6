import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { self, MetadataInvalidError, MetadataUnavailableError, NotOnEcsError } from 'onehop/ecs'
import { manualClock, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import { getGlobalDispatcher, MockAgent, setGlobalDispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

describe('in a task on Fargate', () => {
  let aws: LocalAws
  beforeEach(async () => {
    aws = await startLocalAws()
  })
  afterEach(() => aws.close())

  test('self tells who and where it is, before anything is RUNNING', async () => {
    const container = {
      id: '5f0c2a9b7d1e4c38a6b90d2f1e7c8a44-1730492817',
      name: 'app',
      image: '111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders:1.4.0',
      status: 'PULLED',
      address: '127.0.0.1',
    }
    expect(await self({ env: { ...aws.metadata.env, PORT: '8080' } })).toEqual({
      id: '5f0c2a9b7d1e4c38a6b90d2f1e7c8a44',
      arn: 'arn:aws:ecs:eu-west-1:111122223333:task/shop/5f0c2a9b7d1e4c38a6b90d2f1e7c8a44',
      cluster: 'shop',
      clusterArn: 'arn:aws:ecs:eu-west-1:111122223333:cluster/shop',
      family: 'orders',
      revision: '7',
      service: 'orders',
      zone: 'eu-west-1b',
      region: 'eu-west-1',
      account: '111122223333',
      ipv4: '10.0.11.42',
      ipv6: '2a05:d018:1111:2200:8f1c:2d3e:4b5a:6c7d',
      ipv4Cidr: '10.0.11.0/24',
      ipv6Cidr: '2a05:d018:1111:2200::/64',
      launchType: 'FARGATE',
      port: 8080,
      container,
      containers: [container, expect.objectContaining({ name: 'cache', address: '127.0.0.1' })],
      metadataVersion: 4,
    })
  })

  test('version 3 is asked where there is no version 4, and tells less', async () => {
    const task = await self({ env: { ECS_CONTAINER_METADATA_URI: aws.metadata.uriV3 } })
    expect(task).toMatchObject({
      id: '5f0c2a9b7d1e4c38a6b90d2f1e7c8a44',
      region: 'eu-west-1',
      ipv4: '10.0.11.42',
      metadataVersion: 3,
      port: undefined,
    })
    expect(task.ipv4Cidr).toBeUndefined()
  })

  test('real refusals at start-up are waited out', async () => {
    await aws.metadata.refuseConnections(400)
    expect((await self({ env: aws.metadata.env })).ipv4).toBe('10.0.11.42')
  })

  test('a task that the agent does not know yet is asked for again', async () => {
    aws.metadata.faults.answer = 'unknown-task'
    const asked = self({ env: aws.metadata.env })
    await expect.poll(() => aws.metadata.requests).toBeGreaterThanOrEqual(2)
    aws.metadata.faults.clear()
    expect((await asked).family).toBe('orders')
  })

  test('a process-wide dispatcher is not asked', async () => {
    const before = getGlobalDispatcher()
    const mock = new MockAgent()
    mock.disableNetConnect()
    setGlobalDispatcher(mock)
    try {
      expect((await self({ env: aws.metadata.env })).family).toBe('orders')
    } finally {
      setGlobalDispatcher(before)
    }
  })
})

describe('a metadata endpoint', () => {
  let server: Server | undefined
  let clock: ManualClock
  let requests = 0

  beforeEach(() => {
    clock = manualClock()
    requests = 0
  })
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
    server = undefined
  })

  async function env(listener: RequestListener): Promise<Record<string, string>> {
    server = createServer((request, response) => {
      requests++
      listener(request, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {
      ECS_CONTAINER_METADATA_URI_V4: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v4/x`,
    }
  }

  const answering =
    (container: unknown, task: unknown, status = 200): RequestListener =>
    (request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(request.url?.endsWith('/task') === true ? task : container))
    }

  const CONTAINER = {
    DockerId: 'x-1',
    Name: 'app',
    Networks: [{ NetworkMode: 'awsvpc', IPv4Addresses: ['10.0.0.9'] }],
  }
  const TASK = {
    Cluster: 'shop',
    TaskARN: 'arn:aws:ecs:eu-west-1:111122223333:task/shop/x',
    Family: 'orders',
    Revision: '1',
    Containers: [CONTAINER],
  }

  /** Lets virtual time go on until the promise has settled. */
  async function inTime<Result>(promise: Promise<Result>): Promise<Result> {
    const state = { settled: false }
    const done = promise.finally(() => (state.settled = true))
    done.catch(() => undefined)
    while (!state.settled) {
      await clock.advance(50)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return done
  }

  test('of an IPv6-only task tells no IPv4 address', async () => {
    const networks = [{ IPv6Addresses: ['2a05::9'], IPv6SubnetCIDRBlock: '2a05::/64' }]
    const task = await self({ env: await env(answering({ ...CONTAINER, Networks: networks }, TASK)) })
    expect(task).toMatchObject({
      ipv4: undefined,
      ipv6: '2a05::9',
      ipv6Cidr: '2a05::/64',
      zone: undefined,
      clusterArn: undefined,
    })
  })

  test('that knows no address yet is asked again, at growing intervals', async () => {
    const at: number[] = []
    const listener: RequestListener = (request, response) => {
      if (request.url?.endsWith('/task') !== true) at.push(clock.now())
      answering(at.length < 5 ? { ...CONTAINER, Networks: [] } : CONTAINER, TASK)(request, response)
    }
    const task = await inTime(self({ env: await env(listener), clock, timeoutMs: 60_000 }))
    expect(task.ipv4).toBe('10.0.0.9')
    const waits = at.slice(1).map((time, index) => time - (at[index] ?? 0))
    // Virtual time goes in steps of 50 ms while the answers come in.
    for (const [index, least] of [100, 200, 400, 800].entries()) {
      expect(waits[index]).toBeGreaterThanOrEqual(least)
      expect(waits[index]).toBeLessThan(least + 1_000)
    }
    expect(clock.pendingTimers).toBe(0)
  })

  test('that fails to the end is unavailable, with what it said', async () => {
    const failing = self({
      env: await env(answering('unable to get task', 'unable to get task', 500)),
      clock,
      attempts: 3,
    })
    const error = await inTime(failing.catch((failure: unknown) => failure))
    expect(error).toBeInstanceOf(MetadataUnavailableError)
    expect((error as Error).message).toMatch(
      /^\[ONEHOP_METADATA_UNAVAILABLE\] http:.*: status 500: "unable to get task"$/,
    )
    expect(requests).toBe(6)
  })

  test('that hangs is given up in time', async () => {
    const error = await inTime(
      self({ env: await env(() => undefined), clock, attempts: 2, timeoutMs: 500 }).catch(
        (failure: unknown) => failure,
      ),
    )
    expect(error).toBeInstanceOf(MetadataUnavailableError)
    expect((error as Error).message).toContain('no answer in 500 ms')
  })

  test('that is not there at all is told with the code that operators search for', async () => {
    const uri = await env(() => undefined)
    server?.close()
    const error = await inTime(self({ env: uri, clock, attempts: 2 }).catch((failure: unknown) => failure))
    expect((error as Error).message).toContain('ECONNREFUSED')
  })

  const invalid: [string, unknown, unknown, string][] = [
    ['an array', [], TASK, 'the answer is [], and no object'],
    [
      'networks that are none',
      { ...CONTAINER, Networks: 'eth0' },
      TASK,
      'Networks is "eth0", and not an array',
    ],
    [
      'addresses that are numbers',
      { ...CONTAINER, Networks: [{ IPv4Addresses: [1] }] },
      TASK,
      'Networks[0].IPv4Addresses is [1], and not an array of strings',
    ],
    ['no ARN', CONTAINER, { ...TASK, TaskARN: undefined }, 'TaskARN is missing, and not a non-empty string'],
    [
      'the ARN of something else',
      CONTAINER,
      { ...TASK, TaskARN: 'arn:aws:s3:::b' },
      'TaskARN is "arn:aws:s3:::b", and not the ARN of a task',
    ],
    [
      'a zone that is a number',
      CONTAINER,
      { ...TASK, AvailabilityZone: 1 },
      'AvailabilityZone is 1, and not a non-empty string',
    ],
    [
      'a container without a name',
      CONTAINER,
      { ...TASK, Containers: [{ DockerId: 'y' }] },
      'Containers[0].Name is missing',
    ],
  ]
  test.each(invalid)(
    'that tells %s is invalid at once, and the error names the field',
    async (_what, container, task, message) => {
      const failing = self({ env: await env(answering(container, task)) })
      await expect(failing).rejects.toBeInstanceOf(MetadataInvalidError)
      await expect(failing).rejects.toThrow(message)
      expect(requests).toBe(2)
    },
  )

  test('that answers with HTML is invalid, and what it said is told', async () => {
    const failing = self({ env: await env((_request, response) => void response.end('<html>')) })
    await expect(failing).rejects.toThrow('the answer is not JSON: "<html>"')
  })

  test('an abort takes effect at once, while asking and while waiting, with its own reason', async () => {
    const reason = new Error('shutting down')
    const hanging = new AbortController()
    const first = self({ env: await env(() => undefined), signal: hanging.signal })
    await expect.poll(() => requests).toBe(2)
    hanging.abort(reason)
    await expect(first).rejects.toBe(reason)
    server?.closeAllConnections()
    server?.close()

    const waiting = new AbortController()
    const second = self({ env: await env(answering('no', 'no', 404)), signal: waiting.signal, clock })
    await expect.poll(() => clock.pendingTimers === 1 && requests >= 4).toBe(true)
    waiting.abort(reason)
    await expect(second).rejects.toBe(reason)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('bad input', () => {
  test('outside ECS the error says so, and what to do', async () => {
    await expect(self({ env: {} })).rejects.toBeInstanceOf(NotOnEcsError)
    await expect(self({ env: {} })).rejects.toThrow(
      'neither ECS_CONTAINER_METADATA_URI_V4 nor ECS_CONTAINER_METADATA_URI is set',
    )
  })

  test.each([
    [{ retries: 3 }, 'retries: got 3; allowed: no such option'],
    [{ timeoutMs: -1 }, 'timeoutMs: got -1'],
    [{ attempts: 0 }, 'attempts: got 0; allowed: an integer from 1 to 1000'],
    [{ port: 70_000 }, 'port: got 70000'],
    [{ env: { PORT: 'http' } }, 'PORT: got "http"; allowed: an integer from 1 to 65535'],
  ])('%j is refused', async (options, message) => {
    await expect(self(options as object)).rejects.toThrow(message)
  })
})
