/** Rolling deployments of tasks that register themselves, and deregister themselves at SIGTERM. */
import { expect, test } from 'vitest'
import { deploy, describeTallies } from './deployment.ts'
import type { Kind } from './task/servers.ts'

const KINDS: readonly Kind[] = ['http', 'https', 'fastify', 'express', 'koa', 'h2c']

test.each(KINDS)('%s: no call fails', { timeout: 600_000 }, async (kind) => {
  const outcome = await deploy({ kind, registeredBy: 'task' })
  for (const tally of outcome.tallies.values()) expect(tally.succeeded).toBeGreaterThanOrEqual(5_000)
  expect(describeTallies(outcome).filter((line) => !line.includes(': 0 of '))).toEqual([])
  for (const { code, signal, output } of outcome.exits)
    expect({ code, signal, output }).toMatchObject({ code: 0, signal: null })
})
