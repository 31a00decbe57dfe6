import { manualClock } from 'onehop/testing'
import { expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'

const { keep, servers } = resources()

test.each([
  ['the time for which this process was busy is not held against a task', 50, 10],
  ['the time that a task took is', 0, 50],
])('%s', async (_, busyMs, mostMs) => {
  const still = manualClock(1_000)
  let jumped = 0
  const clock = { ...still, now: () => still.now() + jumped }
  const [task] = await servers(1)
  if (task === undefined) throw new Error('no task')
  const client = keep(clientOf([task], { clock }))
  const estimate = (): number =>
    client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]?.latencyMs ?? Number.NaN
  const get = (): Promise<string> => client.request(ORIGIN).then(({ body }) => body.text())
  // Past those that count as cold.
  for (let call = 0; call < 3; call++) await get()
  const answer = task.answer
  task.answer = (...args) => {
    // A computation passes without a timer of this process firing; waiting does not.
    if (busyMs > 0) jumped += busyMs
    const waited = busyMs > 0 ? Promise.resolve() : still.advance(50)
    void waited.then(() => answer(...args))
  }
  await get()
  expect(estimate()).toBeGreaterThanOrEqual(mostMs === 50 ? 50 : 0)
  expect(estimate()).toBeLessThanOrEqual(mostMs)
})
