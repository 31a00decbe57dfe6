/** Failures that nothing in the program asks for reach stderr, as warnings of the process. */
import { createServer } from 'node:http'
import { gracefulShutdown } from 'onehop/ecs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { InProcessCloudMap } from '../../../support/ecs/in-process-cloud-map.ts'
import type { ServiceRegistration } from '../../../../src/ecs/registration/register.ts'

const HOST = 'orders.shop.local'
const CODE = 'ONEHOP_REGISTRATION_FAILED'

let aws: InProcessCloudMap
let service: string
const warnings: unknown[][] = []

beforeEach(() => {
  aws = new InProcessCloudMap()
  service = aws.account.addService(HOST).id
  warnings.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation((...given: unknown[]) => void warnings.push(given))
})
afterEach(() => {
  vi.restoreAllMocks()
})

function start(): ServiceRegistration {
  return aws.register({ services: { service, port: 8080 } })
}

function denied(): ServiceRegistration {
  aws.faults.operations = { RegisterInstance: { answer: 'deny' } }
  return start()
}

test('a registration that fails, and whose `registered` was not read, is one warning', async () => {
  const registration = denied()
  await aws.clock.advance(5_000)
  expect(registration.state).toBe('failed')
  expect(warnings).toHaveLength(1)
  const [message, options] = warnings[0] ?? []
  expect(message).toMatch(/^srv-\w+: Cloud Map denies RegisterInstance; the role of this task needs /)
  expect(options).toEqual({ code: CODE })
  await aws.clock.advance(200_000)
  expect(warnings).toHaveLength(1)
})

test('two services that fail are one warning, too', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'deny' } }
  const services = [
    { service, port: 8080 },
    { service, port: 8081 },
  ]
  aws.register({ services })
  await aws.clock.advance(5_000)
  expect(warnings).toHaveLength(1)
})

test('gracefulShutdown waits for the registration, and does not handle its failure', async () => {
  const registration = denied()
  using shutdown = gracefulShutdown({ servers: createServer(), registration, signals: [] })
  await aws.clock.advance(5_000)
  expect(shutdown.ready).toBe(true)
  expect(warnings).toEqual([[expect.stringContaining('denies RegisterInstance'), { code: CODE }]])
})

test('a `registered` that was read has the failure, and there is no warning', async () => {
  const registration = denied()
  const failed = registration.registered.catch((error: unknown) => error)
  await aws.clock.advance(5_000)
  expect(await failed).toMatchObject({ failure: 'denied' })
  expect(warnings).toEqual([])
})

test('one that its owner ends is not a failure', async () => {
  const registration = start()
  const left = registration.deregister()
  await aws.clock.advance(5_000)
  expect(await left).toBe('done')
  expect(warnings).toEqual([])
})

test('a conflict that is found later is a warning, since `registered` has resolved before', async () => {
  const registration = start()
  await aws.clock.advance(2_000)
  await registration.registered
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.99.1', port: 8080 })
  await aws.clock.advance(200_000)
  expect(registration.state).toBe('failed')
  expect(warnings).toEqual([[expect.stringMatching(/^srv-\w+: .*task-1/), { code: CODE }]])
})

test('an instance that is left in Cloud Map is a warning, whatever becomes of the result', async () => {
  const registration = start()
  await aws.clock.advance(2_000)
  aws.faults.operations = { DeregisterInstance: { answer: 'deny' } }
  const left = registration.deregister()
  await aws.clock.advance(6_000)
  expect(await left).toBe('failed')
  expect(warnings).toEqual([[expect.stringMatching(/task-1.* left in Cloud Map/), { code: CODE }]])
})

test('an instance that others removed, and that cannot come back yet, is tried again without a warning', async () => {
  const registration = start()
  await aws.clock.advance(2_000)
  aws.account.deleteService(HOST)
  await aws.clock.advance(200_000)
  expect(registration.state).toBe('registering')
  expect(warnings).toEqual([])
})
