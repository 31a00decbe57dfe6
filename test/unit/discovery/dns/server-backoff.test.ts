import { expect, test } from 'vitest'
import { ServerBackoff } from '../../../../src/discovery/dns/server-backoff.ts'

const A = { address: '10.0.0.2', port: 53 }
const B = { address: '10.0.0.3', port: 53 }
const C = { address: '10.0.0.3', port: 5353 }

test('without failures the order is that of the list', () => {
  expect(new ServerBackoff().order([B, A, C], 0)).toEqual([B, A, C])
})

test('a server that failed is asked last until its back-off is over', () => {
  const backoff = new ServerBackoff()
  backoff.failed(A, 0, 500)
  expect(backoff.order([A, B, C], 500)).toEqual([B, C, A])
  expect(backoff.order([A, B, C], 1499)).toEqual([B, C, A])
  expect(backoff.order([A, B, C], 1500)).toEqual([A, B, C])
})

test('1 s, doubled with each failure in a row, 30 s at most; an answer ends it', () => {
  const backoff = new ServerBackoff()
  let now = 0
  const lengths = Array.from({ length: 7 }, () => {
    backoff.failed(A, now, now)
    const failedAt = now
    while (backoff.order([A, B], now)[0] !== A) now += 100
    return now - failedAt
  })
  expect(lengths).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  backoff.answered(A)
  backoff.failed(A, now, now)
  expect(backoff.order([A, B], now + 999)).toEqual([B, A])
  expect(backoff.order([A, B], now + 1000)).toEqual([A, B])
})

test('failures of queries sent at the same time count once', () => {
  const backoff = new ServerBackoff()
  for (let query = 0; query < 64; query++) backoff.failed(A, 0, 1000 + query)
  expect(backoff.order([A, B], 2000)).toEqual([A, B])
})

test('when a back-off is over one query finds out, and the others do not wait for it', () => {
  const backoff = new ServerBackoff()
  backoff.failed(A, 0, 0)
  expect(backoff.order([A, B], 1000)).toEqual([A, B])
  expect(backoff.order([A, B], 1000)).toEqual([B, A])
  // It was given up, and told nothing: the next one's turn.
  expect(backoff.order([A, B], 2000)).toEqual([A, B])
  backoff.answered(A)
  expect(backoff.order([A, B], 2000)).toEqual([A, B])
})

test('all in back-off: asked in the order of the list', () => {
  const backoff = new ServerBackoff()
  for (const server of [C, A, B]) backoff.failed(server, 0, 0)
  expect(backoff.order([A, B, C], 1)).toEqual([A, B, C])
})

test('servers are distinguished by address and port, not by the object', () => {
  const backoff = new ServerBackoff()
  backoff.failed({ ...B }, 0, 0)
  expect(backoff.order([{ ...B }, { ...C }], 1)).toEqual([C, B])
})
