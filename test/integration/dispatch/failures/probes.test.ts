/**
 * Probes over real connections: one call at a time goes to a task that is out, and it is that call's own end that tells
 * how the task is.
 */
import { Readable } from 'node:stream'
import type { Client, UpstreamInspection } from 'onehop'
import { manualClock, type ManualClock } from 'onehop/testing'
import { expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress, TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

function upstreamOf(client: Client, label: string): UpstreamInspection | undefined {
  const { upstreams = [] } = client.inspect().services['orders.shop.local']?.origins[ORIGIN] ?? {}
  return upstreams.find(({ upstream }) => upstream === label)
}

async function get(client: Client, options: object = {}): Promise<string> {
  const { body } = await client.request(ORIGIN, options)
  return body.text()
}

/** The first ejection after a refused connection. */
const EJECTED_MS = 1_000

/** A task at an address that refused connections, once its first probe is due. */
async function backAgain(
  client: Client,
  clock: ManualClock,
  label: string,
  answer: TestServer['answer'],
): Promise<TestServer> {
  while (upstreamOf(client, label)?.state !== 'ejected') await get(client)
  const [address = '', port] = label.split(':')
  const task = keep(await new TestServer(answer).listen(address, Number(port)))
  await clock.advance(EJECTED_MS)
  return task
}

test('a task that refused and then hangs costs one call, and is ejected for 20 s after that', async () => {
  const bad = await refusingAddress()
  const [good] = await servers(1)
  const clock = manualClock()
  const client = keep(clientOf([bad, good?.label ?? ''], { clock }))
  const task = await backAgain(client, clock, bad, () => undefined)
  // As a call that is not to be repeated: nothing else can be done for it.
  const post = { method: 'POST', body: 'x' }
  const probe = get(client, { ...post, deadlineMs: 150 })
  const late = expect(probe).rejects.toMatchObject({ code: 'ONEHOP_DEADLINE_EXCEEDED' })
  await expect.poll(() => task.seen.length).toBe(1)
  await clock.advance(150)
  await late
  for (let call = 0; call < 20; call++) expect(await get(client, post)).toBe(good?.label)
  await clock.advance(20_000 - 1)
  for (let call = 0; call < 20; call++) expect(await get(client)).toBe(good?.label)
  expect(task.seen).toHaveLength(1)
  expect(upstreamOf(client, bad)).toMatchObject({
    state: 'ejected',
    cause: 'fails',
    reason: 'a probe had no answer in 150 ms, when its caller left',
  })
  await clock.advance(1)
  void get(client).catch(() => undefined)
  await expect.poll(() => task.seen.length).toBe(2)
  await client.dispatcher.destroy()
})

test('calls from before that their callers give up do not make room for more probes', async () => {
  const [good, task] = (await servers(2)) as [TestServer, TestServer]
  const { label: bad } = task
  let target = bad
  const clock = manualClock()
  const client = keep(
    clientOf([good, task], {
      clock,
      balancer: { pick: (tasks) => tasks.find(({ label }) => label === target) ?? tasks[0] },
    }),
  )
  task.answer = () => undefined
  const old = Array.from({ length: 10 }, () => new AbortController())
  const calls = old.map(({ signal }) => get(client, { signal }).catch(() => undefined))
  await expect.poll(() => task.seen.length).toBe(10)
  await task.stopListening()
  await get(client)
  expect(upstreamOf(client, bad)).toMatchObject({ state: 'ejected', cause: 'refuses', pending: 10 })
  const again = await backAgain(client, clock, bad, () => undefined)
  target = good.label
  for (const leaving of old) {
    calls.push(get(client, { method: 'POST', body: 'x' }).catch(() => undefined))
    await expect.poll(() => again.seen.length + good.seen.length).toBeGreaterThan(0)
    leaving.abort()
  }
  await expect.poll(() => good.seen.length).toBeGreaterThanOrEqual(9)
  expect(again.seen).toHaveLength(1)
  await client.dispatcher.destroy()
  await Promise.all(calls)
})

test('a call with a streamed body is not used as a probe', async () => {
  const bad = await refusingAddress()
  const [good] = await servers(1)
  const clock = manualClock()
  const client = keep(clientOf([bad, good?.label ?? ''], { clock }))
  const task = await backAgain(client, clock, bad, (_request, response) => void response.end('back'))
  const streamed = (): object => ({ method: 'PUT', body: Readable.from(['some', 'thing']) })
  for (let call = 0; call < 10; call++) expect(await get(client, streamed())).toBe(good?.label)
  expect(task.seen).toHaveLength(0)
  expect(await get(client)).toBe('back')
})
