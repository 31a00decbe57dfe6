/** unbound between clients and BIND: parts of the way that fail. */
import { expect, test } from 'vitest'
import { resources } from '../support/resources.ts'
import type { TestServer } from '../support/servers.ts'
import { call, clientOf, HOST, inspect } from './clients.ts'
import { lookUp } from './lookups.ts'
import { startNamed } from './named.ts'
import { startUnbound } from './unbound.ts'
import { until } from '../support/until.ts'

const { keep, servers } = resources()

/** An authority that is down is found to be so while a client waits; unbound takes more than 10 s by itself. */
const QUICK = ['outbound-msg-retry: 1']

test('the last good set serves while the authority, then the cache too, is down; what is new is found when they are back', async () => {
  const [first, second] = (await servers(2)) as [TestServer, TestServer]
  const named = keep(await startNamed({ zones: { 'shop.local': { records: ['orders 1 A 127.0.1.1'] } } }))
  const unbound = keep(await startUnbound({ 'shop.local': named.port }, QUICK))
  const client = keep(clientOf([unbound.server], { port: first.port }))
  /** Calls all the time, none of which may fail. */
  const callUntilLookupsFailBy = (reason: string): Promise<void> =>
    until(async () => {
      expect(await call(client)).toBe(first.label)
      return inspect(client)?.lastError?.includes(reason) === true
    }, `lookups fail by ${reason}`)
  expect(await call(client)).toBe(first.label)

  await named.kill()
  await callUntilLookupsFailBy('SERVFAIL')
  await unbound.kill()
  await callUntilLookupsFailBy('ECONNREFUSED')
  await unbound.restart()
  await callUntilLookupsFailBy('SERVFAIL')

  await named.restart()
  await named.update('shop.local', `update delete ${HOST} A`, `update add ${HOST} 1 A 127.0.1.2`)
  await until(async () => (await call(client)) === second.label, 'the new task is called')
  expect(inspect(client)).toMatchObject({ lastError: undefined, endpoints: ['127.0.1.2'] })
})

test('when the first server is dead, the second is asked, also by a client that knows nothing yet', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const named = keep(await startNamed({ zones: { 'shop.local': { records: ['orders 1 A 127.0.1.1'] } } }))
  const first = keep(await startUnbound({ 'shop.local': named.port }))
  const second = keep(await startUnbound({ 'shop.local': named.port }))
  const dnsServers = [first.server, second.server]
  const early = keep(clientOf(dnsServers, { port: task.port }))
  expect(await call(early)).toBe(task.label)

  await first.kill()
  const refreshes = inspect(early)?.refreshes ?? 0
  const late = keep(clientOf(dnsServers, { port: task.port }))
  expect(await call(late)).toBe(task.label)
  await until(async () => {
    expect(await call(early)).toBe(task.label)
    return (inspect(early)?.refreshes ?? 0) >= refreshes + 2
  }, 'it has looked it up twice')
  for (const client of [early, late]) expect(inspect(client)).toMatchObject({ failedLookups: 0 })
})

test('when the first server cannot reach the authority (SERVFAIL), the second is asked', async () => {
  const reachable = keep(await startNamed({ zones: { 'shop.local': { records: ['orders 9 A 10.0.1.5'] } } }))
  const gone = await startNamed({ zones: { 'shop.local': { records: [] } } })
  await gone[Symbol.asyncDispose]()
  const cutOff = keep(await startUnbound({ 'shop.local': gone.port }, QUICK))
  await expect(lookUp(cutOff.server, HOST)).rejects.toThrow('SERVFAIL')

  const client = keep(clientOf([cutOff.server, reachable.server]))
  expect((await client.resolve(HOST)).endpoints).toMatchObject([{ address: '10.0.1.5' }])
})
