/** 200 clients see one change at the same moment: real sockets, and time that stands still with this process. */
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type Client } from 'onehop'
import { manualClock, startLocalAws, type ManualClock } from 'onehop/testing'
import { expect, test } from 'vitest'
import { ORIGIN } from '../support/clients.ts'
import { resources } from '../support/resources.ts'

const HOST = 'orders.shop.local'
const CLIENTS = 200
const TTL_MS = 2_000
const STEP_MS = 5
/** Of the clock. It takes a TTL and the spread. */
const ALL_KNOW_WITHIN_MS = 20_000
const { keep, servers } = resources()

/**
 * Real time as long as each turn of the event loop takes 5 ms: all 200 clients and their servers are in this process, and when it
 * is late, so is its clock. What a client does at which time is then a matter of the client.
 */
function tickingClock(): ManualClock & AsyncDisposable {
  const clock = manualClock()
  const ending = new AbortController()
  const tick = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await delay(STEP_MS)
      await clock.advance(STEP_MS)
    }
  }
  const ticking = tick()
  return Object.assign(clock, {
    [Symbol.asyncDispose]: async () => {
      ending.abort()
      await ticking
    },
  })
}

test('their reads are spread over 2 s, one each, and meanwhile their calls succeed', async () => {
  const clock = keep(tickingClock())
  const aws = keep(await startLocalAws({ clock }))
  const tasks = await servers(3)
  aws.addService(HOST, { ttlSeconds: TTL_MS / 1_000 })
  const register = (index: number): void =>
    aws.register(HOST, `task-${index + 1}`, { ipv4: `127.0.1.${index + 1}`, port: tasks[index]?.port ?? 0 })
  register(0)
  register(1)
  const clients = Array.from({ length: CLIENTS }, () =>
    keep(
      createClient({
        namespaces: ['shop.local'],
        dns: { servers: [aws.dns.server], timeoutMs: 5_000 },
        cloudMap: aws.cloudMap,
        allowLoopback: true,
        clock,
        // 200 SDK clients take a while to start: DNS may answer first, and it has no ports.
        port: tasks[0]?.port ?? 0,
      }),
    ),
  )
  const call = async (client: Client): Promise<void> => {
    const { statusCode, body } = await client.request(ORIGIN)
    await body.dump()
    expect(statusCode).toBe(200)
  }
  // The first answers have come before: from here on all ask DNS at about the same moments.
  await Promise.all(clients.map((client) => client.resolve(HOST)))
  await Promise.all(clients.map(call))
  const knowsApi = (client: Client): boolean => client.inspect().services[HOST]?.source === 'cloud-map'
  await expect.poll(() => clients.every(knowsApi), { timeout: 120_000 }).toBe(true)
  const readsBefore = aws.cloudMap.calls['DiscoverInstances'] ?? 0

  aws.deregister(HOST, 'task-1')
  register(2)
  const changedAt = clock.now()
  const readAt: number[] = []
  let calls = 0
  const knowsChange = (client: Client): boolean =>
    client.inspect().services[HOST]?.endpoints.join(' ').includes('127.0.1.1:') === false
  while (!clients.every(knowsChange) && clock.now() < changedAt + ALL_KNOW_WITHIN_MS) {
    const reads = (aws.cloudMap.calls['DiscoverInstances'] ?? 0) - readsBefore
    while (readAt.length < reads) readAt.push(clock.now() - changedAt)
    const some = clients.filter((_, index) => (index + calls) % 20 === 0)
    await Promise.all(some.map(call))
    calls += some.length
    await delay(10)
  }
  expect(calls).toBeGreaterThan(CLIENTS)
  // One each, of a client whose start was slow perhaps none: it has known the change from the start.
  expect(readAt.length).toBeLessThanOrEqual(CLIENTS)
  expect(readAt.length).toBeGreaterThan(CLIENTS * 0.9)
  const [first = 0] = readAt
  const within = (fromMs: number, toMs: number): number =>
    readAt.filter((at) => at - first >= fromMs && at - first < toMs).length
  // A quarter of the reads in each quarter of the time, give or take.
  for (let quarter = 0; quarter < 4; quarter++)
    expect(within(quarter * 500, quarter * 500 + 500)).toBeLessThan(CLIENTS / 2)
  expect(within(1_000, 10_000)).toBeGreaterThan(CLIENTS / 5)
  expect(clients.every(knowsChange)).toBe(true)
})
