import { expect, test } from 'vitest'
import { Locality } from '../../../../src/cluster/locality/locality.ts'
import { taskEndpoint } from '../../../../src/discovery/endpoint.ts'

const HERE = new Locality({
  zone: 'a',
  subnets: [],
  instanceId: 'task-1',
  addresses: ['10.0.1.5', '2600:1f18:0:0::5'],
})

test.each(['10.0.1.5', '2600:1f18::5', '2600:1F18:0:0:0:0:0:5'])('%s is this process', (address) => {
  expect(HERE.isSelf(taskEndpoint(address))).toBe(true)
})

test('an instance of the same id is this process; others are not', () => {
  expect(HERE.isSelf(taskEndpoint('10.0.1.6', { id: 'task-1' }))).toBe(true)
  expect(HERE.isSelf(taskEndpoint('10.0.1.6', { id: 'task-2' }))).toBe(false)
  expect(HERE.isSelf(taskEndpoint('2600:1f18::6'))).toBe(false)
})
