import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
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

  test('self returns the task and its place, before any container is RUNNING', async () => {
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

  test('version 3 is asked without a version 4, and has less', async () => {
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

  test('of an IPv6-only task has no IPv4 address', async () => {
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

  test('that is missing is an error with the code that operators search for', async () => {
    const uri = await env(() => undefined)
    server?.close()
    const error = await inTime(self({ env: uri, clock, attempts: 2 }).catch((failure: unknown) => failure))
    expect((error as Error).message).toContain('ECONNREFUSED')
  })

  const invalid: [string, unknown, unknown, string][] = [
    ['an array', [], TASK, 'the answer is [], not an object'],
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
    [
      'addresses that are none',
      { ...CONTAINER, Networks: [{}, { IPv4Addresses: ['10.0.0.9', '2a05::9'] }] },
      TASK,
      'Networks[1].IPv4Addresses is ["10.0.0.9","2a05::9"], and not IPv4 addresses',
    ],
    [
      'a subnet that is none',
      { ...CONTAINER, Networks: [{ IPv4Addresses: ['10.0.0.9'], IPv4SubnetCIDRBlock: '10.0.0.0/33' }] },
      TASK,
      'Networks[0].IPv4SubnetCIDRBlock is "10.0.0.0/33", and not a CIDR block',
    ],
    ['an error with status 200', 'no such task', TASK, 'the answer is "no such task", not an object'],
    ['no family', CONTAINER, { ...TASK, Family: '' }, 'Family is "", and not a non-empty string'],
    [
      'containers that are none',
      CONTAINER,
      { ...TASK, Containers: [1] },
      'Containers[0] is 1, not an object',
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
    'that has %s is invalid at once, and the error names the field',
    async (_what, container, task, message) => {
      const failing = self({ env: await env(answering(container, task)) })
      await expect(failing).rejects.toBeInstanceOf(MetadataInvalidError)
      await expect(failing).rejects.toThrow(message)
      expect(requests).toBe(2)
    },
  )

  test('that answers with HTML is invalid, and the error shows the answer', async () => {
    const failing = self({ env: await env((_request, response) => void response.end('<html>')) })
    await expect(failing).rejects.toThrow('the answer is not JSON: "<html>"')
  })

  test('of a container without networks of its own, or with an empty address, is asked again', async () => {
    const networks = [[], [{ NetworkMode: 'host', IPv4Addresses: [''] }], CONTAINER.Networks]
    const listener: RequestListener = (request, response) => {
      const Networks = request.url?.endsWith('/task') === true ? [] : networks.shift()
      answering({ ...CONTAINER, Networks }, TASK)(request, response)
    }
    expect((await inTime(self({ env: await env(listener), clock }))).ipv4).toBe('10.0.0.9')
  })

  test('may have a slash at the end of its address', async () => {
    const paths: (string | undefined)[] = []
    const listener: RequestListener = (request, response) => {
      paths.push(request.url)
      answering(CONTAINER, TASK)(request, response)
    }
    const { ECS_CONTAINER_METADATA_URI_V4: uri = '' } = await env(listener)
    await self({ env: { ECS_CONTAINER_METADATA_URI_V4: `${uri}/` } })
    expect(new Set(paths)).toEqual(new Set(['/v4/x', '/v4/x/task']))
  })

  test('that stops in the middle of its answer is given up in time', async () => {
    const listener: RequestListener = (_request, response) => void response.write('{')
    const failing = self({ env: await env(listener), clock, attempts: 1, timeoutMs: 500 })
    const told = expect(failing).rejects.toThrow('no answer in 500 ms')
    await expect.poll(() => requests).toBe(2)
    await clock.advance(500)
    await told
    expect(clock.pendingTimers).toBe(0)
  })

  test('that answers one question wrongly and hangs on the other leaves nothing waiting', async () => {
    const listener: RequestListener = (request, response) => {
      if (request.url?.endsWith('/task') !== true) response.end('<html>')
    }
    const failing = self({ env: await env(listener), clock })
    await expect(failing).rejects.toBeInstanceOf(MetadataInvalidError)
    expect(clock.pendingTimers).toBe(0)
    await expect.poll(openSockets).toEqual([])
  })

  test('leaves no socket and no timer, whatever it answers', async () => {
    for (const listener of [answering(CONTAINER, TASK), answering('no', 'no', 500), answering([], [])]) {
      const variables = await env(listener)
      await self({ env: variables, clock, attempts: 1 }).catch(() => undefined)
      expect(clock.pendingTimers).toBe(0)
      server?.close()
      await expect.poll(openSockets).toEqual([])
    }
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

/** Sockets of this process, but for those that listen. */
function openSockets(): readonly string[] {
  return process.getActiveResourcesInfo().filter((kind) => /^(?:TCPSocketWrap|ConnectWrap)$/.test(kind))
}

/** undici itself ends a connection in the making after 10 s. */
const BEFORE_UNDICI = { timeout: 7_000 }

describe('a metadata endpoint that does not take connections', () => {
  let blocked: ChildProcess
  let port: number
  const waiting: Socket[] = []

  beforeEach(async () => {
    // Listens, and never accepts: what exceeds its queue of one is left hanging by the kernel.
    const script = `
      const server = require('node:net').createServer()
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
        require('node:fs').writeSync(1, String(server.address().port))
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      })`
    blocked = spawn(process.execPath, ['--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [told] = (await once(blocked.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    port = Number(told)
    let connected = 0
    for (let queued = 0; queued < 4; queued++)
      waiting.push(connect(port, '127.0.0.1', () => connected++).on('error', () => undefined))
    await expect.poll(() => connected).toBeGreaterThanOrEqual(1)
  })
  afterEach(() => {
    for (const socket of waiting.splice(0)) socket.destroy()
    blocked.kill('SIGKILL')
  })

  test('is given up in time, and nothing is left of it', async () => {
    const clock = manualClock()
    const before = openSockets()
    const env = { ECS_CONTAINER_METADATA_URI_V4: `http://127.0.0.1:${port}/v4/x` }
    const told = expect(self({ env, clock, attempts: 1, timeoutMs: 300 })).rejects.toThrow(
      'no answer in 300 ms',
    )
    await expect.poll(() => openSockets().length).toBeGreaterThan(before.length)
    await clock.advance(300)
    await told
    expect(clock.pendingTimers).toBe(0)
    await expect.poll(openSockets, BEFORE_UNDICI).toEqual(before)
  })

  test('does not hold up an abort', async () => {
    const before = openSockets()
    const env = { ECS_CONTAINER_METADATA_URI_V4: `http://127.0.0.1:${port}/v4/x` }
    const reason = new Error('shutting down')
    const aborting = new AbortController()
    const told = expect(self({ env, signal: aborting.signal, timeoutMs: 60_000 })).rejects.toBe(reason)
    await expect.poll(() => openSockets().length).toBeGreaterThan(before.length)
    aborting.abort(reason)
    await told
    await expect.poll(openSockets, BEFORE_UNDICI).toEqual(before)
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
    [{ retries: 3 }, 'retries: no such option; known: env'],
    [{ timeoutMs: -1 }, 'timeoutMs: got -1'],
    [{ attempts: 0 }, 'attempts: got 0; allowed: an integer from 1 to 1000'],
    [{ port: 70_000 }, 'port: got 70000'],
    [{ signal: 'SIGTERM' }, 'signal: got "SIGTERM"; allowed: an AbortSignal'],
    [{ clock: { now: () => 0 } }, 'clock.setTimer: got undefined'],
    [{ env: null }, 'env: got null; allowed: an object such as process.env'],
    [{ env: { PORT: 80 } }, 'env.PORT: got 80; allowed: a string'],
    [
      { env: { ECS_CONTAINER_METADATA_URI_V4: '169.254.170.2/v4' } },
      'ECS_CONTAINER_METADATA_URI_V4: got "169.254.170.2/v4"; allowed: an http URL',
    ],
    [
      { env: { ECS_CONTAINER_METADATA_URI: 'ftp://127.0.0.1' } },
      'ECS_CONTAINER_METADATA_URI: got "ftp://127.0.0.1"; allowed: an http URL',
    ],
    [{ env: { PORT: 'http' } }, 'PORT: got "http"; allowed: an integer from 1 to 65535'],
  ])('%j is refused', async (options, message) => {
    await expect(self(options as object)).rejects.toThrow(message)
  })

  test('a signal that has aborted is heard before anything is asked', async () => {
    const reason = new Error('too late')
    const env = { ECS_CONTAINER_METADATA_URI_V4: 'http://127.0.0.1:1/v4/x' }
    await expect(self({ env, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test.each(['/run/app.sock', './app.sock', '\\\\.\\pipe\\app'])(
    'a PORT that is the path of a socket (%s) is valid, and gives no port',
    async (PORT) => {
      await using aws = await startLocalAws()
      const task = await self({ env: { ...aws.metadata.env, PORT } })
      expect(task).toMatchObject({ port: undefined, zone: 'eu-west-1b' })
    },
  )

  test('PORT is not looked at where the port is given', async () => {
    await using aws = await startLocalAws()
    expect((await self({ env: { ...aws.metadata.env, PORT: 'named-pipe' }, port: 8080 })).port).toBe(8080)
  })
})
