import { expect, test } from 'vitest'
import { connectError } from '../../../src/grpc/connection.ts'

test.each([
  [
    'Error: connect ECONNREFUSED 10.0.11.42:50051 (2026-11-27T20:15:00.000Z)',
    { message: 'connect ECONNREFUSED 10.0.11.42:50051', code: 'ECONNREFUSED', syscall: 'connect' },
  ],
  ['connect EMFILE 10.0.11.42:50051 - Local (undefined:undefined)', { code: 'EMFILE', syscall: 'connect' }],
  ['Error: getaddrinfo ENOTFOUND balancer.example', { code: 'ENOTFOUND', syscall: 'getaddrinfo' }],
  ['Failed to connect (2026-11-27T20:15:00.000Z)', { message: 'Failed to connect' }],
  [undefined, { message: 'the connection failed' }],
])('%j is an error with its code', (message, expected) => {
  expect(connectError(message)).toMatchObject(expected)
})
