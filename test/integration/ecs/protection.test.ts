import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { protectTask, ProtectionError, type ProtectionFailure, type TaskProtection } from 'onehop/ecs'
import { InvalidOptionsError } from 'onehop'
import { manualClock, seededRandom, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { eventsOf } from '../../support/events.ts'
import { listening, portOf } from '../../support/loopback-server.ts'

const MINUTE = 60_000
let aws: LocalAws
let clock: ManualClock
beforeEach(async () => {
  aws = await startLocalAws()
  clock = manualClock()
})
afterEach(() => aws.close())

function protection(options: Parameters<typeof protectTask>[0] = {}): TaskProtection {
  return protectTask({ env: aws.metadata.env, clock, random: seededRandom(1), ...options })
}

const puts = (): readonly unknown[] => aws.metadata.protection.puts
const ON = { enabled: true, minutes: 5 }
const OFF = { enabled: false, minutes: undefined }

describe('holds', () => {
  test('50 at once make one PUT; the end of the last one makes another', async () => {
    const task = protection()
    const holds = await Promise.all(Array.from({ length: 50 }, () => task.hold()))
    expect(puts()).toEqual([ON])
    expect([task.state, aws.metadata.protection.enabled]).toEqual(['protected', true])
    const [last, ...others] = holds
    for (const hold of others) await hold[Symbol.asyncDispose]()
    await clock.advance(10_001)
    expect(puts()).toEqual([ON])
    await last?.[Symbol.asyncDispose]()
    await clock.advance(9_999)
    expect(task.state).toBe('protected')
    await clock.advance(1)
    await expect.poll(() => task.state).toBe('off')
    expect(puts()).toEqual([ON, OFF])
    expect(aws.metadata.protection.enabled).toBe(false)
  })

  test('one that ends twice counts once', async () => {
    const task = protection({ lingerMs: 0 })
    const [one, two] = [await task.hold(), await task.hold()]
    await one[Symbol.asyncDispose]()
    await one[Symbol.asyncDispose]()
    await clock.advance(1)
    expect(task.state).toBe('protected')
    await two[Symbol.asyncDispose]()
    await clock.advance(1)
    await expect.poll(() => task.state).toBe('off')
  })

  test('one that comes while protection lingers asks nothing', async () => {
    const task = protection()
    await (await task.hold())[Symbol.asyncDispose]()
    await clock.advance(9_000)
    await task.hold()
    await clock.advance(20_000)
    expect(puts()).toEqual([ON])
    expect(task.state).toBe('protected')
  })

  test('one that comes while protection is given up protects again, after that', async () => {
    aws.metadata.protection.faults.delayMs = 50
    const task = protection({ lingerMs: 0 })
    await (await task.hold())[Symbol.asyncDispose]()
    await clock.advance(1)
    expect(task.state).toBe('releasing')
    await task.hold()
    expect(puts()).toEqual([ON, OFF, ON])
    expect([task.state, aws.metadata.protection.enabled]).toEqual(['protected', true])
  })

  test('protection is renewed at 80 %, as long as there is a hold', async () => {
    const task = protection({ minutes: 10, lingerMs: 0 })
    const hold = await task.hold()
    for (let renewal = 1; renewal <= 3; renewal++) {
      await clock.advance(8 * MINUTE - 1)
      expect(puts()).toHaveLength(renewal)
      await clock.advance(1)
      await expect.poll(() => puts().length).toBe(renewal + 1)
      await task.hold().then((other) => other[Symbol.asyncDispose]())
    }
    await hold[Symbol.asyncDispose]()
    await clock.advance(1)
    await expect.poll(() => task.state).toBe('off')
    const count = puts().length
    await clock.advance(60 * MINUTE)
    expect(puts()).toHaveLength(count)
  })

  test('a renewal that fails is an event, and is tried again before protection ends', async () => {
    const events = eventsOf('onehop:protection.changed')
    const task = protection({ timeoutMs: 1 })
    await task.hold()
    aws.metadata.protection.faults.answer = 'canceled'
    await clock.advance(4 * MINUTE)
    await expect.poll(() => task.state).toBe('failed')
    aws.metadata.protection.faults.clear()
    await clock.advance(0.25 * MINUTE)
    await expect.poll(() => task.state).toBe('protected')
    expect(events.map(({ to, holds, error }) => [to, holds, (error as ProtectionError)?.failure])).toEqual([
      ['protecting', 1, undefined],
      ['protected', 1, undefined],
      ['failed', 1, 'outage'],
      ['protecting', 1, undefined],
      ['protected', 1, undefined],
    ])
  })
})

test('a task that was never protected has nothing to release', async () => {
  const task = protection({ lingerMs: 0 })
  aws.metadata.protection.faults.answer = 'blocked'
  const hold = await task.hold()
  expect(task.state).toBe('failed')
  const count = puts().length
  await hold[Symbol.asyncDispose]()
  await clock.advance(1)
  expect(task.state).toBe('off')
  expect(puts()).toHaveLength(count)
})

test('after a renewal that failed, the end of the last hold releases what is left', async () => {
  const task = protection({ timeoutMs: 500, lingerMs: 0 })
  const hold = await task.hold()
  aws.metadata.protection.faults.answer = 'blocked'
  await clock.advance(4 * MINUTE)
  await expect.poll(() => task.state).toBe('failed')
  expect(aws.metadata.protection.enabled).toBe(true)
  aws.metadata.protection.faults.clear()
  await hold[Symbol.asyncDispose]()
  await clock.advance(1)
  await expect.poll(() => task.state).toBe('off')
  expect(puts().at(-1)).toEqual(OFF)
})

describe('failures', () => {
  const FAULTS: readonly (readonly [
    LocalAws['metadata']['protection']['faults']['answer'],
    ProtectionFailure,
    RegExp,
  ])[] = [
    ['denied', 'denied', /ecs:UpdateTaskProtection on arn:aws:ecs:eu-west-1:111122223333:task\/shop\//],
    ['throttled', 'throttled', /status 429/],
    ['canceled', 'outage', /status 504 RequestCanceled/],
    ['blocked', 'blocked', /DEPLOYMENT_BLOCKED/],
    ['not-valid', 'no-service', /TASK_NOT_VALID/],
  ]

  test.each(FAULTS)('%s: `reject`', async (answer, failure, message) => {
    aws.metadata.protection.faults.answer = answer
    const task = protection({ onFailure: 'reject', timeoutMs: 50 })
    const error: unknown = await task.hold().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ProtectionError)
    expect(error).toMatchObject({ code: 'ONEHOP_PROTECTION_FAILED', failure })
    expect(String(error)).toMatch(message)
    expect(task.state).toBe('failed')
  })

  test.each(FAULTS)('%s: `go-on` resolves, and an event has the error', async (answer, failure) => {
    const events = eventsOf('onehop:protection.changed')
    aws.metadata.protection.faults.answer = answer
    const task = protection({ timeoutMs: 50 })
    await task.hold()
    expect(events.at(-1)).toMatchObject({ to: 'failed', holds: 1, error: { failure } })
  })

  test('what may pass is tried again within timeoutMs', async () => {
    aws.metadata.protection.faults.answer = 'throttled'
    const task = protection({ onFailure: 'reject' })
    const held = task.hold()
    await expect.poll(() => puts().length).toBe(1)
    aws.metadata.protection.faults.clear()
    await expect
      .poll(async () => {
        await clock.advance(100)
        return puts().length
      })
      .toBe(2)
    await held
    expect(task.state).toBe('protected')
  })

  test('an agent that is silent ends a hold after timeoutMs', async () => {
    aws.metadata.protection.faults.answer = 'hang'
    const task = protection({ onFailure: 'reject' })
    const held = task.hold().catch((error: unknown) => error)
    await expect.poll(() => aws.metadata.requests).toBe(1)
    await clock.advance(6_000)
    expect(await held).toMatchObject({
      failure: 'outage',
      message: expect.stringContaining('6000 ms') as string,
    })
  })

  test('after a failure, holds ask again only after a pause', async () => {
    aws.metadata.protection.faults.answer = 'denied'
    const task = protection()
    for (let hold = 0; hold < 10; hold++) await task.hold()
    expect(puts()).toHaveLength(1)
    await clock.advance(5_000)
    aws.metadata.protection.faults.clear()
    await task.hold()
    expect(task.state).toBe('protected')
  })

  test('a task in no service, an agent that is not there, and no ECS at all', async () => {
    aws.metadata.task.serviceName = undefined
    await expect(protection({ onFailure: 'reject' }).hold()).rejects.toMatchObject({ failure: 'no-service' })
    const closed = await listening(createServer())
    const env = { ECS_AGENT_URI: `http://127.0.0.1:${portOf(closed)}/api/x` }
    await new Promise((resolve) => closed.close(resolve))
    await expect(protection({ onFailure: 'reject', env, timeoutMs: 1 }).hold()).rejects.toMatchObject({
      failure: 'outage',
    })
    const off = protection({ env: {} })
    await (await off.hold())[Symbol.asyncDispose]()
    await expect(protection({ env: {}, onFailure: 'reject' }).hold()).rejects.toMatchObject({
      failure: 'not-on-ecs',
    })
  })

  test('an answer that says the opposite of what was asked is not taken for protection', async () => {
    const agent = await listening(
      createHttpServer((_request, response) => response.end('{"protection":{"ProtectionEnabled":false}}')),
    )
    onTestFinished(() => void agent.close())
    const env = { ECS_AGENT_URI: `http://127.0.0.1:${portOf(agent)}` }
    const held = protection({ env, onFailure: 'reject', timeoutMs: 100 }).hold()
    await expect(held).rejects.toMatchObject({ failure: 'outage' })
    await expect(held).rejects.toThrow('ProtectionEnabled is false')
  })

  test('an answer that is not JSON is an outage', async () => {
    aws.metadata.faults.answer = 'not-json'
    onTestFinished(() => aws.metadata.faults.clear())
    await expect(protection({ onFailure: 'reject', timeoutMs: 1 }).hold()).rejects.toMatchObject({
      failure: 'outage',
    })
  })
})

test.each([
  ['minutes', { minutes: 0 }],
  ['minutes', { minutes: 2.5 }],
  ['lingerMs', { lingerMs: -1 }],
  ['timeoutMs', { timeoutMs: 0 }],
  ['onFailure', { onFailure: 'throw' }],
  ['minuts', { minuts: 5 }],
  ['ECS_AGENT_URI', { env: { ECS_AGENT_URI: 'agent' } }],
])('%s: not allowed', (option, options) => {
  const protect = (): unknown => protectTask(options as never)
  expect(protect).toThrow(InvalidOptionsError)
  expect(protect).toThrow(expect.objectContaining({ option }) as Error)
})
