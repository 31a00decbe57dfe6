import { expect, test } from 'vitest'
import { AwsError } from '../../../../../src/testing/local-aws/cloud-map/aws-error.ts'
import { Operations } from '../../../../../src/testing/local-aws/cloud-map/operations.ts'
import { manualClock } from '../../../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../../../src/testing/fakes/seeded-random.ts'

function setUp() {
  const clock = manualClock()
  const operations = new Operations(clock, seededRandom(1), 100)
  let effects = 0
  const submit = (resource: string, creatorRequestId?: string, effect = () => void effects++) =>
    operations.submit('REGISTER_INSTANCE', resource, { INSTANCE: resource }, effect, creatorRequestId)
  return { clock, operations, submit, effects: () => effects }
}

test('each step takes its time, and the effect comes with the last', async () => {
  const { clock, operations, submit, effects } = setUp()
  const id = submit('a')
  const status = () => operations.get(id).status
  await clock.advance(99)
  expect([status(), effects()]).toEqual(['SUBMITTED', 0])
  await clock.advance(1)
  expect([status(), effects()]).toEqual(['PENDING', 0])
  await clock.advance(100)
  expect([status(), effects()]).toEqual(['SUCCESS', 1])
  expect(clock.pendingTimers).toBe(0)
})

test('a resource is free again when its operation has ended', async () => {
  const { clock, submit, effects } = setUp()
  const first = submit('a', 'request')
  expect(submit('a', 'request')).toBe(first)
  expect(() => submit('a', 'other')).toThrow('in progress')
  expect(() => submit('a')).toThrow('in progress')
  submit('b')
  await clock.advance(200)
  expect(effects()).toBe(2)
  expect(submit('a', 'request')).not.toBe(first)
})

test('an effect that cannot be had makes the operation FAIL with its reason', async () => {
  const { clock, operations, submit } = setUp()
  const id = submit('a', undefined, () => {
    throw new AwsError('InstanceNotFound', 'gone meanwhile')
  })
  await clock.advance(200)
  const error = { code: 'InstanceNotFound', message: 'gone meanwhile' }
  expect(operations.get(id)).toMatchObject({ status: 'FAIL', error })
})

test('close leaves no timer', () => {
  const { clock, operations, submit } = setUp()
  submit('a')
  submit('b')
  operations.close()
  expect(clock.pendingTimers).toBe(0)
})
