/** What these tests would see if a task left in a hurry: without such losses, the tests of deployments could not fail. */
import { expect, test } from 'vitest'
import { deploy, TIMES, type Outcome } from './deployment.ts'
import { failedOf } from './load.ts'

const LIMIT = { timeout: 600_000 }

function failed({ tallies }: Outcome, client: Parameters<Outcome['tallies']['get']>[0]): number {
  const tally = tallies.get(client)
  if (tally === undefined) throw new Error(`there is no ${client}`)
  return failedOf(tally)
}

test(
  'server.close() at SIGTERM loses calls of every kept connection, and of new ones until the TTL is over',
  LIMIT,
  async () => {
    const outcome = await deploy({ kind: 'http', way: 'server.close()', stopTimeoutMs: 4_000, posts: 3_000 })
    expect(failed(outcome, 'undici Pool') + failed(outcome, 'http.Agent, kept')).toBeGreaterThan(0)
    expect(failed(outcome, 'a connection per call')).toBeGreaterThan(20)
  },
)

test('a window below deregistration and TTL loses calls', LIMIT, async () => {
  const outcome = await deploy({
    ...{ kind: 'http', posts: 3_000, clients: ['undici Pool', 'http.Agent, kept', 'a connection per call'] },
    times: { ...TIMES.ecs, ttlMs: 0, propagationMs: 1_000, quietMs: 0 },
  })
  expect(failed(outcome, 'a connection per call')).toBeGreaterThan(20)
})
