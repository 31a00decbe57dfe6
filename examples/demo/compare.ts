/** The last phase: `onehop bench`, as a user would run it on a task. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { round, type PhaseReport } from './report.ts'
import type { DemoWorld } from './world.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
/** Long enough for a verdict: up to half of the seconds are cut as warm-up, and 10 must be left. */
const LOAD = ['--rate', '300', '--duration', '22s', '--warm-up', '1s', '--set-up', '0']

/** The part of the report that the demo shows; docs/bench.md describes the whole. */
interface BenchReport {
  readonly conclusions: readonly string[]
  readonly arms: readonly {
    readonly name: string
    readonly label: string
    readonly calls: number
    readonly succeeded: number
    readonly fallbacks: number
    readonly distribution: readonly { readonly share: number; readonly ms: number }[]
  }[]
}

export async function compare({ url, fleet, aws, balancer }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  const { endpoint, region, credentials } = aws.cloudMap
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      ...['--conditions=onehop:source', MAIN, 'bench', url, '--port', String(fleet.port)],
      ...['--fallback', balancer.origin, '--dns-server', aws.dns.server],
      ...['--endpoint', endpoint, '--region', region, '--allow-loopback'],
      ...['--arms', 'dns,api,fallback', ...LOAD, '--json'],
    ],
    {
      env: {
        ...process.env,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
      maxBuffer: 20_000_000,
    },
  )
  const { arms, conclusions } = JSON.parse(stdout) as BenchReport
  const problems = arms
    .filter(({ calls, succeeded, fallbacks }) => succeeded < calls || fallbacks > 0)
    .map(
      ({ label, calls, succeeded, fallbacks }) =>
        `${label}: ${calls - succeeded} failed, ${fallbacks} fell back`,
    )
  const direct = arms.filter(({ name }) => name !== 'fallback')
  const ms = (name: string, share: number): number =>
    round(
      arms.find((arm) => arm.name === name)?.distribution.find((point) => point.share >= share - 1e-9)?.ms ??
        0,
      2,
    )
  return {
    requests: direct.reduce((sum, { calls }) => sum + calls, 0),
    failed: direct.reduce((sum, { calls, succeeded }) => sum + calls - succeeded, 0),
    seconds: round((performance.now() - start) / 1_000, 1),
    inFlightOnKilled: 0,
    viaFallback: direct.reduce((sum, { fallbacks }) => sum + fallbacks, 0),
    endpoints: [],
    shares: {},
    p50Ms: ms('dns', 0.5),
    p99Ms: ms('dns', 0.99),
    balancerP50Ms: ms('fallback', 0.5),
    balancerP99Ms: ms('fallback', 0.99),
    notes: conclusions.filter((line) => !line.startsWith('A month')),
    problems,
  }
}
