import { expect, test } from 'vitest'
import { endpointsOf } from '../../../src/discovery/cloud-map/endpoint.ts'

const instance = (InstanceId: string, address: string): object => ({
  InstanceId,
  Attributes: { AWS_INSTANCE_IPV4: address, AWS_INSTANCE_PORT: '8080' },
})

test('an instance is an endpoint whatever its id is', () => {
  const ids = ['0-task', 'a', 'undefined', 'web-1', 'z', '~']
  const found = endpointsOf(
    'orders.shop.local',
    ids.map((id, at) => instance(id, `10.0.0.${at}`)),
    'ipv4',
  )
  expect(found.map(({ id }) => id)).toEqual(ids)
})

test('two registrations of one place are the one whose id sorts first, in any order', () => {
  const both = [instance('web-2', '10.0.0.1'), instance('web-1', '10.0.0.1')]
  for (const instances of [both, both.toReversed()])
    expect(endpointsOf('orders.shop.local', instances, 'ipv4').map(({ id }) => id)).toEqual(['web-1'])
})
