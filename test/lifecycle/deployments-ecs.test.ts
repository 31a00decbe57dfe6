/**
 * Rolling deployments at their worst: ECS has registered the tasks, sends SIGTERM first, and deregisters 3 s later, while
 * a resolver keeps what it knows for the TTL.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { deploy, describeTallies } from './deployment.ts'
import { failedOf } from './load.ts'
import type { Times } from './task/leave.ts'
import type { Kind } from './task/servers.ts'

const KINDS: readonly Kind[] = ['http', 'https', 'fastify', 'express', 'koa', 'h2c', 'nest']

test.each(KINDS)('%s: no call fails', { timeout: 600_000 }, async (kind) => {
  const outcome = await deploy({ kind })
  for (const tally of outcome.tallies.values()) expect(tally.succeeded).toBeGreaterThanOrEqual(5_000)
  expect(describeTallies(outcome).filter((line) => !line.includes(': 0 of '))).toEqual([])
  expect([...outcome.tallies.values()].reduce((sum, tally) => sum + failedOf(tally), 0)).toBe(0)
  for (const { code, signal, output } of outcome.exits)
    expect({ code, signal, output }).toMatchObject({ code: 0, signal: null })
})

/** The deployment that docs/testing.md shows, with the defaults of `gracefulShutdown`, and its shorter times. */
const document = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
const numberOf = (name: string): number =>
  Number(new RegExp(`${name}: ([\\d_]+)`).exec(document)?.[1]?.replaceAll('_', ''))
const SHORTER: Partial<Times> = {
  ...{ ttlMs: numberOf('ttlMs'), propagationMs: numberOf('propagationMs'), finishMs: numberOf('finishMs') },
}

test.each([
  ['its defaults', {}, numberOf('stopTimeoutMs')],
  ['shorter times in 15 s', SHORTER, 15_000],
] as const)(
  'the deployment of docs/testing.md, with %s: no call fails, and no warning is needed',
  { timeout: 600_000 },
  async (_name, times, stopTimeoutMs) => {
    const outcome = await deploy({
      ...{ kind: 'http', times, stopTimeoutMs, posts: 1_000 },
      clients: ['a connection per call', 'http.Agent, kept'],
    })
    expect(describeTallies(outcome).filter((line) => !line.includes(': 0 of '))).toEqual([])
    for (const { code, output } of outcome.exits) {
      expect(code).toBe(0)
      expect(output).not.toContain('ONEHOP_SHUTDOWN_TOO_SHORT')
    }
  },
)
