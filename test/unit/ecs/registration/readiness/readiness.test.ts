import { beforeEach, expect, test } from 'vitest'
import { eventsOf } from '../../../../support/events.ts'
import { InProcessCloudMap } from '../../../../support/ecs/in-process-cloud-map.ts'
import type { ServiceRegistration } from '../../../../../src/ecs/registration/register.ts'
import type { ReadyFunction } from '../../../../../src/ecs/registration/options/options.ts'

const HOST = 'orders.shop.local'

let aws: InProcessCloudMap
let service: string

beforeEach(() => {
  aws = new InProcessCloudMap()
  service = aws.account.addService(HOST).id
})

function start(ready: ReadyFunction, options: object = {}): ServiceRegistration {
  return aws.register({ services: { service, port: 8080 }, random: { next: () => 0 }, ready, ...options })
}

test('a function that returns the response of fetch is ready with 2xx', async () => {
  let status = 503
  const registration = start(() => Promise.resolve(new Response(null, { status })))
  await aws.clock.advance(3_000)
  expect(registration.state).toBe('waiting')
  expect(registration.inspect()).toMatchObject({
    ready: false,
    notReady: 'ready() returned a response with status 503',
  })
  status = 204
  await aws.clock.advance(10_000)
  expect(registration.inspect()).toMatchObject({ ready: true })
})

test('nothing is asked of Cloud Map before the process is ready', async () => {
  let ready = false
  const registration = start(() => ready)
  await aws.clock.advance(3_000)
  expect(registration.state).toBe('waiting')
  expect(aws.operations).toEqual([])
  expect(registration.inspect()).toMatchObject({ ready: false, notReady: 'ready() returned false' })
  ready = true
  // Until the first time it is checked every 500 ms.
  await aws.clock.advance(500)
  expect(aws.operations).not.toEqual([])
  await aws.clock.advance(1_000)
  expect(registration.state).toBe('registered')
  expect(registration.inspect()).toMatchObject({ ready: true, notReady: undefined })
})

test('not ready within withinMs: failed, with the last reason, and nothing left running', async () => {
  const registration = start(() => Promise.reject(new Error('the cache is cold')), {
    readiness: { withinMs: 10_000 },
  })
  await aws.clock.advance(10_000)
  await expect(registration.registered).rejects.toMatchObject({
    failure: 'not-ready',
    message: expect.stringMatching(/not ready within 10000 ms \(the cache is cold\)/) as string,
  })
  expect(registration.state).toBe('failed')
  await aws.clock.advance(10_000)
  expect(await registration.deregister()).toBe('done')
  expect(aws.clock.pendingTimers).toBe(0)
})

test('three failures in a row make it unhealthy, one good check healthy again; fewer change nothing', async () => {
  const health = eventsOf('onehop:health.changed')
  const script = [true, false, false, true, false, false, false, true]
  const checkedAt: number[] = []
  const registration = start(() => {
    checkedAt.push(aws.clock.now())
    return script.length > 1 ? script.shift() : script[0]
  })
  await aws.clock.advance(60_000)
  expect(health.map(({ healthy }) => healthy)).toEqual([false, true])
  expect(aws.of('UpdateInstanceCustomHealthStatus').map(({ at }) => at)).toEqual([30_000, 35_000])
  expect(checkedAt.slice(0, 3)).toEqual([0, 5_000, 10_000])
  expect(registration.state).toBe('registered')
})

test('flapping faster than the checks is seen as what the checks see, with as few calls', async () => {
  let calls = 0
  start(() => calls++ % 2 === 0)
  await aws.clock.advance(200_000)
  expect(aws.of('UpdateInstanceCustomHealthStatus')).toEqual([])
})

test('passes: the number of good checks in a row before it counts as ready', async () => {
  const script = [true, true, false, true, true, true]
  const registration = start(() => script.shift() ?? true, { readiness: { passes: 3, everyMs: 100 } })
  await aws.clock.advance(450)
  expect(registration.state).toBe('waiting')
  await aws.clock.advance(100)
  expect(registration.state).not.toBe('waiting')
})

test('a check without an answer fails after timeoutMs, and its signal aborts', async () => {
  let aborted = 0
  const registration = start(
    (signal) =>
      new Promise(() => {
        signal.addEventListener('abort', () => aborted++)
      }),
  )
  await aws.clock.advance(1_999)
  expect(aborted).toBe(0)
  await aws.clock.advance(1)
  expect(aborted).toBe(1)
  expect(registration.inspect().notReady).toBe('no answer in 2000 ms')
  await registration.deregister()
})

test('time in which the process itself was busy does not count', async () => {
  // A clock that stands for a busy loop: its timers fire 300 ms late.
  const { clock } = aws
  const late = {
    now: () => clock.now(),
    setTimer: (callback: () => void, ms: number) => clock.setTimer(callback, ms + 300),
    afterIo: (callback: () => void) => clock.afterIo(callback),
  }
  let answer: (() => void) | undefined
  const registration = start(() => new Promise<void>((resolve) => (answer = resolve)), { clock: late })
  await clock.advance(7_000)
  expect(registration.inspect().notReady).toBeUndefined()
  answer?.()
  await clock.advance(10)
  expect(registration.inspect().ready).toBe(true)
  await Promise.all([registration.deregister(), clock.advance(30_000)])
})

test('setHealthy overrides the checks, and undefined hands back to them', async () => {
  let ready = true
  const registration = start(() => ready)
  await aws.clock.advance(2_000)
  const down = registration.setHealthy(false)
  await aws.clock.advance(20_000)
  await down
  expect(registration.state).toBe('unhealthy')
  const up = registration.setHealthy(undefined)
  await aws.clock.advance(1_000)
  await up
  expect(registration.state).toBe('registered')
  ready = false
  await aws.clock.advance(20_000)
  expect(registration.state).toBe('unhealthy')
  const forced = registration.setHealthy(true)
  await aws.clock.advance(20_000)
  await forced
  expect(registration.state).toBe('registered')
})

test('setHealthy(true) registers a process whose checks are not good yet', async () => {
  const registration = start(() => false)
  await aws.clock.advance(2_000)
  expect(registration.state).toBe('waiting')
  void registration.setHealthy(true)
  await aws.clock.advance(2_000)
  expect(registration.state).toBe('registered')
})

test('checks end with deregister()', async () => {
  let checks = 0
  const registration = start(() => ++checks > 0)
  await aws.clock.advance(3_000)
  const left = registration.deregister()
  const before = checks
  await aws.clock.advance(100_000)
  await left
  expect(checks).toBe(before)
  expect(aws.clock.pendingTimers).toBe(0)
})

test('a check that is deaf to its signal does not hold up deregister()', async () => {
  const registration = start(() => new Promise(() => undefined))
  await aws.clock.advance(100)
  expect(await registration.deregister()).toBe('done')
  expect(aws.clock.pendingTimers).toBe(0)
})
