/** Zones that change under a client, by dynamic updates (RFC 2136). */
import { NoEndpointsError } from 'onehop'
import { expect, test } from 'vitest'
import { manualClock } from '../../src/testing/fakes/manual-clock.ts'
import { ORIGIN } from '../support/clients.ts'
import { resources } from '../support/resources.ts'
import { TestServer } from '../support/servers.ts'
import { call, clientOf, HOST, inspect } from './clients.ts'
import { startNamed } from './named.ts'
import { until } from '../support/until.ts'

const { keep, servers } = resources()

test('a task gets calls once its A record is there and the TTL is over, and none once it is removed', async () => {
  const [first, second] = (await servers(2)) as [TestServer, TestServer]
  const named = keep(await startNamed({ zones: { 'shop.local': { records: ['orders 1 A 127.0.1.1'] } } }))
  const client = keep(clientOf([named.server], { port: first.port }))
  expect(await call(client)).toBe(first.label)

  await named.update('shop.local', `update add ${HOST} 1 A 127.0.1.2`)
  await until(async () => (await call(client)) === second.label, 'the new task is called')

  await named.update('shop.local', `update delete ${HOST} A 127.0.1.1`)
  // It still runs, and would answer.
  await until(async () => {
    expect([first.label, second.label]).toContain(await call(client))
    return inspect(client)?.endpoints.join() === '127.0.1.2'
  }, 'the old task is gone')
  const seen = first.seen.length
  for (let calls = 0; calls < 20; calls++) expect(await call(client)).toBe(second.label)
  expect(first.seen).toHaveLength(seen)
})

test('a task that comes back on another port is called there, by its SRV record', async () => {
  const before = keep(await new TestServer().listen('127.0.1.1'))
  const after = keep(await new TestServer().listen('127.0.1.1'))
  const named = keep(
    await startNamed({
      zones: { 'shop.local': { records: [`orders 1 SRV 1 1 ${before.port} task`, 'task 1 A 127.0.1.1'] } },
    }),
  )
  const client = keep(clientOf([named.server]))
  expect(await call(client)).toBe(before.label)

  const target = 'task.shop.local'
  await named.update(
    'shop.local',
    `update delete ${HOST} SRV 1 1 ${before.port} ${target}`,
    `update add ${HOST} 1 SRV 1 1 ${after.port} ${target}`,
  )
  await until(async () => (await call(client)) === after.label, 'the new port is called')
  const seen = before.seen.length
  for (let calls = 0; calls < 20; calls++) expect(await call(client)).toBe(after.label)
  expect(before.seen).toHaveLength(seen)
})

test('a name that did not exist is found when its negative TTL is over', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const named = keep(await startNamed({ zones: { 'shop.local': { minimum: 1, records: [] } } }))
  const client = keep(clientOf([named.server], { port: task.port }))
  await expect(client.request(ORIGIN)).rejects.toBeInstanceOf(NoEndpointsError)

  await named.update('shop.local', `update add ${HOST} 1 A 127.0.1.1`)
  await until(async () => {
    const answer = await call(client).catch((error: Error) => error.cause)
    if (answer !== task.label) expect(answer).toBeInstanceOf(NoEndpointsError)
    return answer === task.label
  }, 'it is found')
})

test('a name whose records move from addresses to SRV is found by the new kind', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const named = keep(await startNamed({ zones: { 'shop.local': { records: ['orders 1 A 127.0.1.1'] } } }))
  const client = keep(clientOf([named.server], { port: task.port }))
  expect(await call(client)).toBe(task.label)

  await named.update(
    'shop.local',
    `update delete ${HOST} A`,
    'update add task.shop.local 1 A 127.0.1.1',
    `update add ${HOST} 1 SRV 1 1 ${task.port} task.shop.local`,
  )
  await until(async () => {
    expect(await call(client)).toBe(task.label)
    return inspect(client)?.endpoints.join() === task.label
  }, 'it is found by SRV')
})

test('when the last record is removed, calls go on for 30 s, and are refused after that', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const named = keep(
    await startNamed({ zones: { 'shop.local': { minimum: 10, records: ['orders 10 A 127.0.1.1'] } } }),
  )
  const clock = manualClock()
  const client = keep(clientOf([named.server], { port: task.port, clock }))
  expect(await call(client)).toBe(task.label)

  await named.update('shop.local', `update delete ${HOST} A`)
  for (let spentMs = 0; spentMs < 40_000; spentMs += 10_000) {
    const { refreshes = 0 } = inspect(client) ?? {}
    await clock.advance(10_000)
    await until(() => inspect(client)?.refreshes === refreshes + 1, 'the answer is there')
    if (spentMs < 30_000) {
      expect(inspect(client)?.negative).toEqual({ state: 'held', forMs: spentMs })
      expect(await call(client)).toBe(task.label)
    }
  }
  expect(inspect(client)?.negative).toEqual({ state: 'believed', forMs: 30_000 })
  await expect(client.request(ORIGIN)).rejects.toBeInstanceOf(NoEndpointsError)
})
