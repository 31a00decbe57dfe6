/** `examples/grpc` and what docs/doors/grpc.md shows of it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { eventsOf } from '../../support/events.ts'
import { resources } from '../../support/resources.ts'
import { eventually } from '../../support/until.ts'
import { outputOf } from '../output-of.ts'
import { GrpcFleet } from './fleet.ts'
import { connect, get, ordersOver, upstreams } from './orders.ts'

const { keep } = resources()
const root = new URL('../../../', import.meta.url).pathname
const FLAGS = ['--conditions=onehop:source', '--import', `${root}test/doors/grpc/packages/resolve.ts`]

test('the example runs, and ends by itself', async () => {
  const flags = [...FLAGS, `${root}examples/grpc/client.js`]
  expect(await outputOf(flags)).toMatch(/^42 from 127\.0\.1\.[12]\n$/)
})

test('the page shows the examples as they are', () => {
  const page = readFileSync(`${root}docs/doors/grpc.md`, 'utf8')
  const shown = [...page.matchAll(/<!-- (examples\/\S+) -->\n```js\n([^]*?)```/g)]
  expect(shown.map(([, file]) => file)).toEqual(['examples/grpc/client.js', 'examples/grpc/server.js'])
  for (const [, file = '', code] of shown) {
    const source = readFileSync(root + file, 'utf8')
    const region = /\/\/ #region readme\n([^]*?)\/\/ #endregion/.exec(source)?.[1] ?? source
    expect(code).toBe(region.replace(', ...local.options }', ' }'))
  }
})

test('the task of the example leaves at SIGTERM without losing a call: it says that it drains, and serves on', async () => {
  const fleet = await GrpcFleet.start(1)
  const host = '127.0.2.9'
  // As on ECS, where callers find the task; 13 s are for requests and the end, so 2 s are left for the window.
  const ecs = { ECS_CONTAINER_METADATA_URI_V4: 'http://127.0.0.1:9/v4', ONEHOP_STOP_TIMEOUT_S: '15' }
  const env = { ...process.env, ...ecs, HOST: host, PORT: String(fleet.port) }
  const task = spawn(process.execPath, [...FLAGS, `${root}examples/grpc/server.js`], { env })
  onTestFinished(() => void task.kill('SIGKILL'))
  await once(task.stdout, 'data')
  const label = `${host}:${fleet.port}`
  const client = keep(clientOf([...fleet.labels, label]))
  const ejected = eventsOf('onehop:upstream.ejected')
  const orders = ordersOver(client)
  await connect(orders, client)
  const exited = once(task, 'exit')
  task.kill('SIGTERM')
  let calls = 0
  while (task.exitCode === null) {
    await Promise.all([get(orders), get(orders)])
    calls += 2
    await delay(5)
  }
  expect((await exited)[0]).toBe(0)
  expect(ejected).toMatchObject([{ upstream: label, cause: 'drains' }])
  await eventually(
    () => upstreams(client, ({ failures }) => failures)[fleet.labels[0] ?? ''],
    (failures) => failures === 0,
  )
})
