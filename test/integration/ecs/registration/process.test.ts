/** What only a process of its own shows: it ends when it has nothing to do, and loads the AWS SDK late. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import type { RegisteredReport, RegisteredScript } from '../../../support/processes/registered.ts'

const PROGRAM = fileURLToPath(new URL('../../../support/processes/registered.ts', import.meta.url))
const HOST = 'orders.shop.local'
const run = promisify(execFile)
/** The shortest that a process is held for which has something to wait for: a connection that is kept, or the next check. */
const MIN_WAIT_MS = 1_000

async function play(does: RegisteredScript['does']): Promise<RegisteredReport & { left: number }> {
  await using aws = await startLocalAws({ operationStepMs: 1 })
  const { id: service } = aws.addService(HOST)
  const { endpoint, region, credentials } = aws.cloudMap
  const script: RegisteredScript = { service, does, cloudMap: { endpoint, region, credentials } }
  const { stdout } = await run(
    process.execPath,
    ['--conditions=onehop:source', '--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(script)],
    { timeout: 25_000 },
  )
  return { ...(JSON.parse(stdout) as RegisteredReport), left: aws.instances(HOST).length }
}

test('a process that has deregistered has nothing left to wait for; onehop/ecs loads no SDK', async () => {
  const report = await play('leave')
  expect(report).toMatchObject({ state: 'gone', sdkAtImport: 0, left: 0 })
  expect(report.sdkInTheEnd).toBeGreaterThan(10)
  expect(report.idleMs).toBeLessThan(MIN_WAIT_MS)
})

test('a finished registration does not keep the process alive', async () => {
  const report = await play('stay')
  expect(report).toMatchObject({ state: 'registered', left: 1 })
  expect(report.idleMs).toBeLessThan(MIN_WAIT_MS)
})

test('a registration under way does, as a request would', async () => {
  expect(await play('forget')).toMatchObject({ state: 'registered', left: 1 })
})
