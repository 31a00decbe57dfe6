import { expect, test, vi } from 'vitest'
import type { BenchReport, Difference } from '../../../../src/bench/report/report.ts'
import { failsMore } from '../../../../src/bench/report/lost-calls.ts'
import { madeUpReport, madeUpSettings } from '../../../support/bench/bench-run.ts'

// Bootstraps compute for seconds, and longer on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

/** A shorter run: 10,000 calls to five arms. */
const SHORT = { perSecond: 500, durationMs: 20_000, warmUpMs: 2_000 }

function differenceOf(report: BenchReport, pair: string, share: number): Difference | undefined {
  const comparison = report.comparisons.find(({ arm, baseline }) => `${arm} - ${baseline}` === pair)
  return comparison?.percentiles.find((one) => one.share === share)
}

test('what is faster is seen as faster, and the control as the same', async () => {
  const report = await madeUpReport({ settings: SHORT })
  const direct = differenceOf(report, 'dns - fallback', 0.5)
  // Medians of 0.9 and 1.3 ms.
  expect(direct?.verdict).toEqual({ kind: 'faster' })
  expect(direct?.differenceMs).toBeCloseTo(-0.4, 1)
  expect(direct?.sentence).toMatch(/^faster by 0\.3\d* to 0\.[34]\d* ms$/)
  expect(differenceOf(report, 'control - dns', 0.5)?.verdict).toEqual({ kind: 'no-difference-seen' })
  expect(report.conclusions[0]).toMatch(
    /^Direct \(DNS\) against load balancer: p50 faster by .* p99 cannot tell/,
  )
})

test('what is slower is seen as slower, and listed with what is worse', async () => {
  const report = await madeUpReport({ settings: SHORT, medians: [1.6, 1.6, 1.3, 1.25, 1.6] })
  expect(differenceOf(report, 'dns - fallback', 0.5)?.verdict).toEqual({ kind: 'slower' })
  expect(report.worse.join('\n')).toMatch(/Direct \(DNS\) is slower by .* at p50 than load balancer/)
})

test('where the copies of one arm differ, no arm has a verdict', async () => {
  const report = await madeUpReport({ settings: SHORT, medians: [0.9, 0.85, 1.3, 1.25, 1.1] })
  const reason = { kind: 'cannot-tell', reason: 'control-differs' }
  for (const pair of ['dns - fallback', 'api - fallback', 'undici - fallback'])
    expect(differenceOf(report, pair, 0.5)?.verdict, pair).toEqual(reason)
  // The control itself says how it differs.
  expect(differenceOf(report, 'control - dns', 0.5)?.verdict).toEqual({ kind: 'slower' })
})

test('a generator that is late by a third of the difference has no verdict', async () => {
  const report = await madeUpReport({ settings: SHORT, latenessMs: 1 })
  expect(report.lateness.percentiles[0]?.ms).toBeCloseTo(0.5, 1)
  const direct = differenceOf(report, 'dns - fallback', 0.5)
  expect(direct?.verdict).toEqual({ kind: 'cannot-tell', reason: 'generator-late' })
  expect(direct?.sentence).toMatch(/^cannot tell: the generator was 0\.\d+ ms late at this percentile$/)
})

test('failures are counted by kind, have no latency, and end the verdicts of the tail that they could be', async () => {
  const report = await madeUpReport({
    settings: { perSecond: 2_000, durationMs: 30_000 },
    failure: 'status 503',
    failedShare: 0.02,
  })
  for (const { calls, succeeded, notSent, failures } of report.arms) {
    expect(failures).toEqual([{ kind: 'status 503', calls: calls - succeeded - notSent }])
    expect(failures[0]?.calls).toBeGreaterThan(calls * 0.01)
  }
  expect(differenceOf(report, 'dns - fallback', 0.5)?.verdict).toEqual({ kind: 'faster' })
  expect(differenceOf(report, 'dns - fallback', 0.99)?.verdict).toEqual({
    kind: 'cannot-tell',
    reason: 'too-many-failures',
  })
})

test('failed calls are in the result, whichever percentiles the run can tell', async () => {
  const settings = { ...SHORT, durationMs: 12_000 }
  const report = await madeUpReport({ settings, failure: 'status 503', failedShare: 0.2 })
  expect(report.conclusions.join('\n')).toMatch(/Of the calls of direct \(DNS\), \d+ % failed \(status 503\)/)
  // A longer run would not help.
  expect(differenceOf(report, 'dns - fallback', 0.999)?.verdict).toEqual({
    kind: 'cannot-tell',
    reason: 'too-many-failures',
  })
  const [direct, ...others] = report.arms
  if (direct === undefined) throw new Error('there are no arms')
  expect(failsMore([direct, ...others])).toEqual([])
  const few = others.map((arm) => ({ ...arm, failures: [{ kind: 'status 503', calls: 1 }] }))
  expect(failsMore([direct, ...few])[0]).toMatch(/^\d+ % of the calls of direct \(DNS\) failed, and 0\.\d+ %/)
})

test('without requests to Cloud Map there is no number of processes that cost as much as an ALB', async () => {
  const { volume } = madeUpSettings()
  const report = await madeUpReport({
    settings: { ...SHORT, volume: { ...volume, cloudMapCallsPerMinute: 0 } },
  })
  const about = report.worse.filter((line) => line.startsWith('Discovery by the API'))
  expect(about).toEqual([
    'Discovery by the API costs $0.00 a month for each process and service. With discovery auto, the default, it is about a twentieth.',
  ])
})

test('failures in what is cut as warm-up are in none of the numbers, and are said', async () => {
  const report = await madeUpReport({
    settings: SHORT,
    failure: 'timeout',
    failedShare: 0.1,
    failsUntilMs: 7_000,
  })
  expect(report.load.cutMs).toBeGreaterThanOrEqual(7_000)
  expect(report.arms.flatMap(({ failures }) => failures)).toEqual([])
  // A tenth of 500 calls a second, in five seconds behind --warm-up.
  expect(report.limits.join('\n')).toMatch(/^2\d\d calls failed or were not sent in the \d s that the rule/m)
})

test('the warm-up and what the rule cuts do not count; the rest adds up', async () => {
  const report = await madeUpReport({ settings: SHORT })
  const { load, arms } = report
  expect(load.cutMs).toBeGreaterThanOrEqual(SHORT.warmUpMs)
  expect(load.blocks * 1_000).toBe(load.durationMs - load.cutMs)
  expect(arms.reduce((sum, { calls }) => sum + calls, 0)).toBe(load.calls)
  for (const { byUpstream, succeeded, timeline, calls, distribution, maxMs } of arms) {
    expect(byUpstream.reduce((sum, group) => sum + group.calls, 0)).toBe(succeeded)
    expect(timeline.reduce((sum, point) => sum + point.calls, 0)).toBe(calls)
    expect(distribution.every(({ ms }, index) => ms >= (distribution[index - 1]?.ms ?? 0))).toBe(true)
    expect(distribution.at(-1)?.ms).toBeLessThanOrEqual(maxMs ?? 0)
  }
})

test('the same run gives the same report', async () => {
  expect(await madeUpReport({ settings: SHORT })).toEqual(await madeUpReport({ settings: SHORT }))
})

test('without a control, and with a percentile out of reach, the report says so', async () => {
  const report = await madeUpReport({ settings: { ...SHORT, control: undefined }, wasInterrupted: true })
  expect(report.comparisons.map(({ arm }) => arm)).toEqual(['dns', 'api', 'undici'])
  const limits = report.limits.join('\n')
  expect(limits).toContain('Without a control')
  expect(limits).toContain('p99 needs 10,000 calls an arm')
  expect(limits).toContain('The run was interrupted')
})

test('a run too short for any verdict says so first, and how long it must be', async () => {
  const { conclusions } = await madeUpReport({ settings: { perSecond: 500, durationMs: 5_000, warmUpMs: 0 } })
  expect(conclusions[0]).toMatch(
    /^The run is too short for any verdict: run for at least 20 s \(--duration 20s\)\.$/,
  )
  const seconds = Number(/at least (\d+) s/.exec(conclusions[0] ?? '')?.[1])
  const settings = { perSecond: 500, durationMs: seconds * 1_000, warmUpMs: 0 }
  const { conclusions: long } = await madeUpReport({ settings })
  expect(long.join(' ')).not.toContain('too short')
})

test('at a low rate it is the number of calls that asks for a longer run', async () => {
  const { conclusions } = await madeUpReport({ settings: { perSecond: 50, durationMs: 15_000, warmUpMs: 0 } })
  const seconds = Number(/at least (\d+) s/.exec(conclusions[0] ?? '')?.[1])
  // 200 calls for each of five arms, in half of the run.
  expect(seconds).toBeGreaterThanOrEqual(40)
})

test('it is said whose zone is not known, and what names it', async () => {
  const { conclusions, worse, arms } = await madeUpReport({ settings: SHORT, zone: null })
  // Those of the tasks are known.
  expect(arms[0]?.byZone.length).toBeGreaterThan(1)
  expect(conclusions.at(-1)).toContain("the caller's zone is not known, --zone names it")
  expect(worse.join('\n')).toContain("The caller's zone is not known, --zone names it. If all direct calls")
})
