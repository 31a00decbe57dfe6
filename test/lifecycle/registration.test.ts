/** SIGTERM at every step of registration, with an API that is well, late, throttled, denied or hung. */
import { setTimeout as delay } from 'node:timers/promises'
import { startLocalAws, type LocalAws } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { freePort } from '../support/ports.ts'
import { HOST } from './clients/clients.ts'
import { OneTask } from './one-task.ts'
import type { TaskOrders } from './task/main.ts'

const STOP_TIMEOUT_MS = 12_000
/** For a machine that is busy. */
const MARGIN_MS = 4_000
/** What is asked of Cloud Map, each step of an operation taking this long, in ms. */
const STEP_MS = 150

type Api = 'well' | 'late' | 'throttled' | 'denied' | 'hung'
const APIS: Readonly<Record<Api, (aws: LocalAws) => void>> = {
  well: () => undefined,
  late: ({ cloudMap }) => void (cloudMap.faults.delayMs = 300),
  throttled: ({ cloudMap }) => void (cloudMap.faults.answer = 'throttle'),
  denied: ({ cloudMap }) => void (cloudMap.faults.answer = 'deny'),
  hung: ({ cloudMap }) => void (cloudMap.faults.answer = 'hang'),
}

interface Moment {
  readonly name: string
  reached(task: OneTask, aws: LocalAws): Promise<void>
}
const at = (name: string, pattern: RegExp): Moment => ({ name, reached: (task) => task.until(pattern) })
const asked = (operation: string): Moment => ({
  name: `${operation} is asked`,
  reached: (task, aws) => task.until(() => (aws.cloudMap.calls[operation] ?? 0) > 0),
})
const EARLY: readonly Moment[] = [
  at('servers are installed', /installed/),
  at('the task listens', /listening/),
  asked('GetService'),
]
const LATE: readonly Moment[] = [
  asked('RegisterInstance'),
  asked('GetOperation'),
  at('the task is registered', /^registered$/m),
]

interface World extends AsyncDisposable {
  readonly aws: LocalAws
  readonly task: OneTask
  /** Id of the service. */
  readonly service: string
}

async function world(
  api: Api,
  orders: Partial<TaskOrders> = {},
  stopTimeoutMs = STOP_TIMEOUT_MS,
): Promise<World> {
  const stack = new AsyncDisposableStack()
  const aws = stack.use(await startLocalAws({ operationStepMs: STEP_MS }))
  const { id } = aws.addService(HOST, { ttlSeconds: 1 })
  APIS[api](aws)
  const task = stack.use(
    await OneTask.start(
      {
        kind: 'http',
        way: 'onehop',
        service: id,
        ...orders,
        times: { propagationMs: 200, quietMs: 100, finishMs: 500, marginMs: MARGIN_MS, stopTimeoutMs },
      },
      { aws },
    ),
  )
  return { aws, task, service: id, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** What the API says is registered, once every operation has ended. */
async function registered(aws: LocalAws): Promise<readonly string[]> {
  // One after the other, as its steps are: a process that was busy fires all timers that are due at once.
  for (let step = 0; step < 4; step++) await delay(STEP_MS)
  return aws.instances(HOST).map(({ id }) => id)
}

const CASES = Object.entries({
  well: [...EARLY, ...LATE],
  late: [...EARLY, ...LATE],
  throttled: EARLY,
  denied: EARLY,
  hung: EARLY,
} satisfies Record<Api, readonly Moment[]>).flatMap(([api, moments]) =>
  moments.map((moment) => [api as Api, moment] as const),
)

describe.concurrent('SIGTERM', () => {
  test.each(CASES.map(([api, moment]) => [api, moment.name, moment] as const))(
    'with an API that is %s, when %s',
    async (api, _name, moment) => {
      await using stage = await world(api)
      const { aws, task } = stage
      await moment.reached(task, aws)
      task.signal()
      const { code, signal } = await task.exited
      expect({ code, signal, output: task.output }).toMatchObject({ code: 0, signal: null })
      expect(task.closedAfterMs).toBeLessThan(STOP_TIMEOUT_MS)
      expect(await registered(aws)).toEqual([])
    },
  )

  test('an API that fails just then and recovers: the instance is deregistered before the exit', async () => {
    await using stage = await world('well')
    const { aws, task } = stage
    await task.until(/^registered$/m)
    expect(aws.instances(HOST)).toHaveLength(1)
    aws.cloudMap.faults.answer = 'unavailable'
    task.signal()
    await delay(1_500)
    aws.cloudMap.faults.clear()
    expect(await task.exited).toMatchObject({ code: 0 })
    expect(await registered(aws)).toEqual([])
  })

  test('an API that stays down: the task still drains and exits in time, and says what it leaves', async () => {
    await using stage = await world('well')
    const { aws, task } = stage
    await task.until(/^registered$/m)
    aws.cloudMap.faults.answer = 'hang'
    task.signal()
    const { code, signal } = await task.exited
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    expect(task.closedAfterMs).toBeLessThan(STOP_TIMEOUT_MS)
    expect(aws.instances(HOST)).toHaveLength(1)
    expect(task.output).toMatch(/lost /)
  })
})

describe.concurrent('a task that lives on', () => {
  test('flapping readiness takes it out and in again; SIGTERM in between leaves nothing', async () => {
    await using stage = await world('well', { ready: '/ready' })
    const { aws, task } = stage
    const flap = async (): Promise<void> => void (await fetch(`${task.origin}/flap`)).status
    await task.until(/^registered$/m)
    for (const state of ['UNHEALTHY', 'HEALTHY', 'UNHEALTHY'] as const) {
      await flap()
      await expect.poll(() => aws.instances(HOST).map(({ health }) => health)).toEqual([state])
    }
    task.signal()
    expect(await task.exited).toMatchObject({ code: 0 })
    expect(await registered(aws)).toEqual([])
  })

  test('without a role it drains and ends as ever', async () => {
    await using aws = await startLocalAws()
    const { id } = aws.addService(HOST, { ttlSeconds: 1 })
    const none = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', HOME: '/nonexistent' }
    await using task = await OneTask.start(
      {
        ...{ kind: 'http', way: 'onehop', service: id },
        times: { propagationMs: 100, quietMs: 0, marginMs: MARGIN_MS, stopTimeoutMs: STOP_TIMEOUT_MS },
      },
      { aws, env: none },
    )
    await task.until(/^failed .*credentials/m)
    task.signal()
    expect((await task.exited).code).toBe(0)
    expect(task.closedAfterMs).toBeLessThan(STOP_TIMEOUT_MS)
  })

  test('what a killed task left is removed by the one that gets its address', async () => {
    await using stage = await world('well')
    const { aws, task } = stage
    await task.until(/^registered$/m)
    const [orphan] = aws.instances(HOST)
    task.signal('SIGKILL')
    await task.exited
    expect(await registered(aws)).toEqual([orphan?.id])
    aws.metadata.task.taskId = 'c0ffee9b7d1e4c38a6b90d2f1e7c8a44'
    await using heir = await OneTask.start(
      { kind: 'http', way: 'onehop', service: stage.service, times: { propagationMs: 100, quietMs: 0 } },
      { aws, port: task.port },
    )
    await heir.until(/^registered$/m)
    expect(await registered(aws)).toEqual(['c0ffee9b7d1e4c38a6b90d2f1e7c8a44'])
    heir.signal()
    expect(await heir.exited).toMatchObject({ code: 0 })
    expect(await registered(aws)).toEqual([])
  })

  test('a service that is deleted and made again gets its instance again', async () => {
    await using stage = await world('well', { verifyMs: 300 })
    const { aws, task } = stage
    await task.until(/^registered$/m)
    aws.deleteService(HOST)
    aws.addService(HOST, { ttlSeconds: 1, id: stage.service })
    await expect.poll(() => aws.instances(HOST).length).toBe(1)
    task.signal()
    expect(await task.exited).toMatchObject({ code: 0 })
    expect(await registered(aws)).toEqual([])
  })

  test('two ports are two instances, and both leave', async () => {
    await using stage = await world('well', { secondPort: await freePort() })
    const { aws, task } = stage
    await expect.poll(() => aws.instances(HOST).length).toBe(2)
    task.signal()
    expect(await task.exited).toMatchObject({ code: 0 })
    expect(await registered(aws)).toEqual([])
  })

  test('dual stack: both addresses leave with the one instance', async () => {
    await using aws = await startLocalAws({ operationStepMs: STEP_MS, task: { ipv6: 'fd00::5' } })
    const { id } = aws.addService(HOST, { ttlSeconds: 1, records: ['A', 'AAAA'] })
    await using task = await OneTask.start(
      { kind: 'http', way: 'onehop', service: id, times: { propagationMs: 100, quietMs: 0 } },
      { aws },
    )
    await task.until(/^registered$/m)
    expect(aws.instances(HOST)).toHaveLength(1)
    task.signal()
    expect(await task.exited).toMatchObject({ code: 0 })
    expect(await registered(aws)).toEqual([])
  })

  test('a second signal while Cloud Map hangs', async () => {
    await using stage = await world('well', {}, 120_000)
    const { aws, task } = stage
    await task.until(/^registered$/m)
    aws.cloudMap.faults.answer = 'hang'
    task.signal()
    await task.until(/signal 1 is over/)
    task.signal()
    expect((await task.exited).code).toBe(0)
    // It waits for `closeMs`, for an answer that may still come, and not for the end of the window: 113 s.
    expect(task.closedAfterMs).toBeLessThan(40_000)
  })
})
