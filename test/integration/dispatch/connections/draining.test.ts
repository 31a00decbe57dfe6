import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import type { Client, UpstreamInspection } from 'onehop'
import { manualClock, type ManualClock } from 'onehop/testing'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../../support/servers.ts'
import { ca, cert, key } from '../../../support/transports/tls.ts'

const { keep, servers } = resources()

const leaving: TestServer['answer'] = (_request, response) => {
  response.writeHead(200, { connection: 'close', 'x-onehop-draining': '1' })
  response.end('bye')
}

/** A clock that moves with each answer of this task, and not far enough for a probe of one that drains. */
function clockMovedBy(task: TestServer | undefined): ManualClock {
  const clock = manualClock()
  const { answer } = task ?? {}
  if (task !== undefined) task.answer = (...given) => void clock.advance(1).then(() => answer?.(...given))
  return clock
}

async function get(client: Client): Promise<string> {
  const { body } = await client.request(ORIGIN)
  return body.text()
}

function upstreamOf(client: Client, task: TestServer | undefined): UpstreamInspection | undefined {
  const { upstreams = [] } = client.inspect().services['orders.shop.local']?.origins[ORIGIN] ?? {}
  return upstreams.find(({ upstream }) => upstream === task?.label)
}

test('a task that says that it drains gets no further calls, and its answer counts as the good one it is', async () => {
  const tasks = await servers(3)
  const [first] = tasks
  if (first !== undefined) first.answer = leaving
  const client = keep(clientOf(tasks, { clock: clockMovedBy(first) }))
  const answers = []
  for (let call = 0; call < 12; call++) answers.push(await get(client))
  expect(answers.filter((answer) => answer === 'bye')).toHaveLength(1)
  expect(upstreamOf(client, first)).toMatchObject({
    state: 'ejected',
    cause: 'drains',
    reason: 'is draining',
    failures: 0,
    requests: 1,
  })
})

test('a task that closes connections without that header, or sends the header alone, stays', async () => {
  const tasks = await servers(2)
  const [closing, saying] = tasks
  if (closing !== undefined)
    closing.answer = (_request, response) => {
      response.writeHead(200, { connection: 'close' })
      response.end()
    }
  // Some proxy hands it on: the connection is not the task's.
  if (saying !== undefined)
    saying.answer = (_request, response) => {
      response.writeHead(200, { 'x-onehop-draining': '1' })
      response.end()
    }
  const client = keep(clientOf(tasks))
  for (let call = 0; call < 6; call++) await get(client)
  expect(tasks.map(({ seen }) => seen.length)).toEqual([3, 3])
})

test('a task that refuses calls because it drains is ejected, and the call goes elsewhere', async () => {
  const tasks = await servers(2)
  const [first] = tasks
  if (first !== undefined)
    first.answer = (_request, response) => {
      response.writeHead(503, { connection: 'close', 'x-onehop-draining': '' })
      response.end()
    }
  const client = keep(clientOf(tasks, { clock: clockMovedBy(first) }))
  for (let call = 0; call < 4; call++) expect(await get(client)).toBe(tasks[1]?.label)
  expect(first?.seen).toHaveLength(1)
  expect(upstreamOf(client, first)).toMatchObject({ state: 'ejected', cause: 'drains' })
})

test('over HTTP/2, which has no `connection: close`, the draining header is enough', async () => {
  const server = createSecureServer({ key, cert }, (_request, response) => {
    response.setHeader('x-onehop-draining', '1')
    response.end('bye')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  keep({ [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) })
  const origin = `https://orders.shop.local:${(server.address() as AddressInfo).port}`
  const client = keep(clientOf(['127.0.1.1'], { pool: { allowH2: true, connect: { ca } } }))
  expect(await client.request(origin).then(({ body }) => body.text())).toBe('bye')
  const { upstreams = [] } = client.inspect().services['orders.shop.local']?.origins[origin] ?? {}
  expect(upstreams).toMatchObject([{ state: 'ejected', cause: 'drains', failures: 0 }])
})

test('a load balancer that passes on the answer of a task that drains stays in use', async () => {
  const [task] = await servers(1)
  const [balancer] = await servers(1, leaving)
  const fallback = `http://${balancer?.label}`
  const client = keep(clientOf([await refusingAddress(), task?.label ?? ''], { fallback }))
  // One of two refuses: 30 % of the calls go to the balancer.
  while ((balancer?.seen.length ?? 0) < 5) await get(client)
  const { upstreams = [] } = client.inspect().services['orders.shop.local']?.origins[ORIGIN] ?? {}
  expect(upstreams.find(({ tier }) => tier === 1)).toMatchObject({ state: 'available', failures: 0 })
})
