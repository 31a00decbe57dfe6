import { expect, test } from 'vitest'
import { emit, onEvent } from '../../../src/core/events.ts'

test('a listener hears the events of one name, with their payload, until it is ended', () => {
  const heard: string[] = []
  const end = onEvent('onehop:upstream.readmitted', ({ host, upstream }) => heard.push(`${host} ${upstream}`))
  emit('onehop:upstream.readmitted', () => ({ host: 'orders.shop.local', upstream: '10.0.0.1:80' }))
  emit('onehop:cluster.panicked', () => ({ host: 'orders.shop.local', available: 0, total: 1 }))
  end()
  emit('onehop:upstream.readmitted', () => ({ host: 'orders.shop.local', upstream: '10.0.0.2:80' }))
  expect(heard).toEqual(['orders.shop.local 10.0.0.1:80'])
})
