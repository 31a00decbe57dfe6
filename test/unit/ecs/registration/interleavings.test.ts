/** Any order of faults, changes of health, evictions and time: what must hold in the end. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OperationName } from '../../../../src/ecs/registration/cloud-map/calls.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'
import type { CloudMapAnswer } from '../../../../src/testing/local-aws/cloud-map/faults.ts'
import { InProcessCloudMap } from '../../../support/ecs/in-process-cloud-map.ts'

const HOST = 'orders.shop.local'
const OPERATIONS: readonly OperationName[] = [
  ...(['GetService', 'ListInstances', 'GetInstance', 'RegisterInstance', 'GetOperation'] as const),
  ...(['DeregisterInstance', 'UpdateInstanceCustomHealthStatus'] as const),
]
const ANSWERS: readonly CloudMapAnswer[] = [
  ...(['normal', 'throttle', 'deny', 'unavailable', 'hang', 'lose', 'full'] as const),
]

type Action =
  | { readonly kind: 'wait'; readonly ms: number }
  | {
      readonly kind: 'fault'
      readonly operation: OperationName
      readonly answer: CloudMapAnswer
      readonly delayMs: number
    }
  | { readonly kind: 'health'; readonly healthy: boolean | undefined }
  | { readonly kind: 'ready'; readonly ready: boolean }
  | { readonly kind: 'slow-operations'; readonly ms: number }
  | { readonly kind: 'failing-operations'; readonly fail: boolean }
  | { readonly kind: 'evict' }
  | { readonly kind: 'new-service' }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      operation: fc.constantFrom(...OPERATIONS),
      answer: fc.constantFrom(...ANSWERS),
      delayMs: fc.constantFrom(0, 0, 300, 4_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('health' as const),
      healthy: fc.constantFrom(true, false, undefined),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ready' as const), ready: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('slow-operations' as const),
      ms: fc.constantFrom(1, 100, 3_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('failing-operations' as const), fail: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'evict' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'new-service' as const }) },
)

const scenario = fc.record({
  actions: fc.array(action, { maxLength: 12 }),
  customHealth: fc.boolean(),
  seed: fc.integer(),
  /** Whether the API is well again when the task leaves. */
  isWell: fc.boolean(),
})

test('whatever has happened, deregister() ends in time and leaves neither an instance nor a timer', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ actions, customHealth, seed, isWell }) => {
      const aws = new InProcessCloudMap()
      const { id: service } = aws.account.addService(HOST, { customHealth })
      let ready = true
      const registration = aws.register({
        services: { service, port: 8080 },
        random: seededRandom(seed),
        ready: () => ready,
        registerMs: 10_000,
        operationMs: 20_000,
      })
      const health: Promise<void>[] = []
      for (const step of actions) {
        switch (step.kind) {
          case 'wait':
            await aws.clock.advance(step.ms)
            break
          case 'fault':
            aws.faults.operations = {
              ...aws.faults.operations,
              [step.operation]: { answer: step.answer, delayMs: step.delayMs },
            }
            break
          case 'health':
            health.push(registration.setHealthy(step.healthy))
            break
          case 'ready':
            ready = step.ready
            break
          case 'slow-operations':
            aws.registry.operations.stepMs = step.ms
            break
          case 'failing-operations':
            aws.faults.failOperations = step.fail
            break
          case 'evict':
            for (const { id } of aws.account.instances(HOST)) aws.account.deregister(HOST, id)
            break
          case 'new-service':
            aws.account.deleteService(HOST)
            aws.account.addService(HOST, { id: service, customHealth })
        }
      }
      if (isWell) aws.faults.clear()
      const begunAt = aws.clock.now()
      let endedAt: number | undefined
      const leaving = registration.deregister({ withinMs: 40_000 }).then((result) => {
        endedAt = aws.clock.now()
        return result
      })
      await aws.clock.advance(60_000)
      const result = await leaving
      await Promise.all(health)
      await registration.registered.catch(() => undefined)
      expect((endedAt ?? Number.POSITIVE_INFINITY) - begunAt).toBeLessThanOrEqual(40_000)
      if (isWell || result === 'done') expect([result, aws.account.instances(HOST)]).toEqual(['done', []])
      aws.registry.close()
      expect(aws.clock.pendingTimers).toBe(0)
    }),
    { numRuns: 300, seed: 12 },
  )
})
