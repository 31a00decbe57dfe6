import { expect, test } from 'vitest'
import { Slots, type Waiter } from '../../../../src/dispatch/connections/slots.ts'

const ANY = Number.POSITIVE_INFINITY

class Attempt implements Waiter {
  readonly told: string[] = []
  readonly onGo: () => void

  constructor(onGo: () => void = () => undefined) {
    this.onGo = onGo
  }

  go(): void {
    this.told.push('go')
    this.onGo()
  }

  connectFailed(error: Error): void {
    this.told.push(error.message)
  }

  destroyed(error: Error): void {
    this.told.push(error.message)
  }
}

const attempts = (count: number): Attempt[] => Array.from({ length: count }, () => new Attempt())

test('one attempt for each connection goes until there is one, and then as many as connections can carry', () => {
  const slots = new Slots(2, 3, false)
  const all = attempts(9)
  expect(all.map((attempt) => slots.enter(attempt))).toEqual([true, true, ...Array(7).fill(false)])
  slots.connected(false, 0)
  expect(all.filter(({ told }) => told.includes('go'))).toEqual(all.slice(2, 6))
  slots.disconnected(1)
  for (const attempt of all.slice(0, 6)) slots.leave(attempt)
  expect(all.filter(({ told }) => told.includes('go'))).toEqual(all.slice(2, 8))
})

test('as many attempts go as there are connections, the others in the order in which they came', () => {
  const slots = new Slots(2, 1, false)
  const all = attempts(5)
  expect(all.map((attempt) => slots.enter(attempt))).toEqual([true, true, false, false, false])
  const [first, second, third, fourth, fifth] = all as [Attempt, Attempt, Attempt, Attempt, Attempt]
  slots.leave(third)
  slots.leave(first)
  slots.leave(first)
  expect(fourth.told).toEqual(['go'])
  expect(fifth.told).toEqual([])
  slots.leave(second)
  expect(fifth.told).toEqual(['go'])
  expect(third.told).toEqual([])
  slots.leave(fourth)
  expect(slots.isIdle).toBe(false)
  slots.leave(fifth)
  expect(slots.isIdle).toBe(true)
})

test('a failed connection fails all attempts that wait, unless another is open', () => {
  const slots = new Slots(1, 1, false)
  const [first, second, third] = attempts(3) as [Attempt, Attempt, Attempt]
  slots.enter(first)
  slots.enter(second)
  slots.connected(false, 0)
  slots.connectFailed(new Error('refused'))
  expect(second.told).toEqual([])
  slots.disconnected(0)
  slots.enter(third)
  slots.connectFailed(new Error('silent'))
  expect([second.told, third.told]).toEqual([['silent'], ['silent']])
})

test('where HTTP/2 is possible one goes ahead, and the others when its connection is there', () => {
  const slots = new Slots(ANY, 100, true)
  const all = attempts(4)
  expect(all.map((attempt) => slots.enter(attempt))).toEqual([true, false, false, false])
  slots.connected(true, 0)
  expect(all.map(({ told }) => told.length)).toEqual([0, 1, 1, 1])
  slots.disconnected(0)
  const next = attempts(2)
  expect(next.map((attempt) => slots.enter(attempt))).toEqual([true, false])
})

test('where HTTP/2 was possible, and HTTP/1.1 is spoken, each makes its own connection from then on', () => {
  const slots = new Slots(ANY, 100, true)
  slots.enter(new Attempt())
  slots.connected(false, 0)
  slots.disconnected(0)
  expect(attempts(3).map((attempt) => slots.enter(attempt))).toEqual([true, true, true])
})

test('the one that goes ahead makes room when it ends without a connection', () => {
  const slots = new Slots(ANY, 100, true)
  const [first, second] = attempts(2) as [Attempt, Attempt]
  slots.enter(first)
  slots.enter(second)
  slots.leave(first)
  expect(second.told).toEqual(['go'])
})

test('destroy() ends all attempts that wait, and whenIdle() calls back', () => {
  const slots = new Slots(1, 1, false)
  const [first, second] = attempts(2) as [Attempt, Attempt]
  let idle = 0
  slots.enter(first)
  slots.enter(second)
  slots.whenIdle(() => idle++)
  slots.destroy(new Error('closed'))
  expect(second.told).toEqual(['closed'])
  expect(idle).toBe(0)
  slots.leave(first)
  expect(idle).toBe(1)
})
