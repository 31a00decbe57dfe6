import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { manualClock } from 'onehop/testing'
import { expect, test } from 'vitest'
import { Upstream } from '../../../../src/cluster/upstream.ts'
import { ConnectionShare, type Sharer } from '../../../../src/dispatch/connections/connection-share.ts'
import { Slots } from '../../../../src/dispatch/connections/slots.ts'
import { taskEndpoint } from '../../../../src/discovery/endpoint.ts'

const caller = new AsyncLocalStorage<string>()

/** What an attempt is to its share, made in the context of its caller. */
class Attempt implements Sharer {
  readonly heard: unknown[] = []
  readonly upstream = new Upstream(taskEndpoint('10.0.0.1'), 80, 0, 0)
  readonly call = {
    route: { clock: manualClock(1_000) },
    context: new AsyncResource('TEST'),
    failed: ({ message }: Error): void => this.#hear(`failed: ${message}`),
  }

  countFrom(now: number): void {
    this.heard.push(['counts from', now])
  }

  abort({ message }: Error): void {
    this.#hear(`aborted: ${message}`)
  }

  onResponseError(_controller: undefined, { message }: Error): void {
    this.heard.push(message)
  }

  send(): void {
    this.#hear('sent')
  }

  #hear(what: string): void {
    this.heard.push([what, caller.getStore()])
  }
}

/** One attempt on the only connection, and another in the queue. */
function queued(): { slots: Slots; first: ConnectionShare; attempt: Attempt; share: ConnectionShare } {
  const slots = new Slots(1, 1, false)
  const first = new ConnectionShare(slots, new Attempt())
  slots.enter(first)
  const attempt = caller.run('second', () => new Attempt())
  const share = new ConnectionShare(slots, attempt)
  attempt.upstream.begin(0)
  slots.enter(share)
  share.queue(() => attempt.send())
  return { slots, first, attempt, share }
}

test('an attempt that waited is sent in its own async context', () => {
  const { first, attempt, share } = queued()
  expect([share.isQueued, attempt.upstream.waiting]).toEqual([true, 0])
  caller.run('first', () => first.leave())
  expect(attempt.heard).toEqual([
    ['counts from', 1_000],
    ['sent', 'second'],
  ])
  expect([share.isQueued, attempt.upstream.waiting]).toEqual([false, 1])
})

test('an attempt in the queue of a client that is destroyed ends in its own async context', () => {
  const { slots, attempt } = queued()
  caller.run('closer', () => slots.destroy(new Error('destroyed')))
  expect(attempt.heard).toEqual([
    ['aborted: destroyed', 'second'],
    ['failed: destroyed', 'second'],
  ])
})

test('responses on one connection come one after the other: each attempt knows when its own is next', () => {
  const slots = new Slots(1, 2, false)
  const [one, other] = [new Attempt(), new Attempt()]
  const [ahead, behind] = [new ConnectionShare(slots, one), new ConnectionShare(slots, other)]
  const line: ConnectionShare[] = []
  for (const share of [ahead, behind]) share.lineUp(line)
  expect([ahead.isBehind, behind.isBehind]).toEqual([false, true])
  ahead.leaveLine()
  expect([behind.isBehind, other.heard]).toEqual([false, [['counts from', 1_000]]])
  ahead.leaveLine()
  behind.leaveLine()
  expect(line).toEqual([])
})
