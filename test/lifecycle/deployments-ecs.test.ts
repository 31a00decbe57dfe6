/**
 * Rolling deployments at their worst: ECS has registered the tasks, sends SIGTERM first, and deregisters 3 s later, while
 * a resolver keeps what it knows for the TTL.
 */
import { expect, test } from 'vitest'
import { deploy, describeTallies } from './deployment.ts'
import { failedOf } from './load.ts'
import type { Kind } from './task/servers.ts'

const KINDS: readonly Kind[] = ['http', 'https', 'fastify', 'express', 'koa', 'h2c', 'nest']

test.each(KINDS)('%s: no call fails', { timeout: 180_000 }, async (kind) => {
  const outcome = await deploy({ kind })
  for (const tally of outcome.tallies.values()) expect(tally.succeeded).toBeGreaterThanOrEqual(5_000)
  expect(describeTallies(outcome).filter((line) => !line.includes(': 0 of '))).toEqual([])
  expect([...outcome.tallies.values()].reduce((sum, tally) => sum + failedOf(tally), 0)).toBe(0)
  for (const { code, signal, output } of outcome.exits)
    expect({ code, signal, output }).toMatchObject({ code: 0, signal: null })
})
