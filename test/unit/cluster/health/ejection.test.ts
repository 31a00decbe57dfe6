import { describe, expect, test } from 'vitest'
import { Ejection } from '../../../../src/cluster/health/ejection.ts'

/** The call that probes. */
const CALL = {}

describe('an ejection', () => {
  test('lasts 1 s at first and doubles up to 30 s while probes fail', () => {
    const ejection = new Ejection()
    const times: number[] = []
    let now = 0
    for (let round = 0; round < 7; round++) {
      const forMs = ejection.connectFailed(now, 'ECONNREFUSED', ejection.endProbe(CALL))
      times.push(forMs ?? -1)
      now = ejection.probeAt
      ejection.startProbe(CALL)
    }
    expect(times).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  })

  test('is not extended by failures of other calls', () => {
    const ejection = new Ejection()
    ejection.connectFailed(0, 'ECONNREFUSED')
    expect(ejection.connectFailed(10, 'ECONNREFUSED')).toBeUndefined()
    expect(ejection.probeAt).toBe(1_000)
  })

  test('ends with the success of a request begun after it', () => {
    const ejection = new Ejection()
    ejection.connectFailed(100, 'ECONNREFUSED')
    ejection.startProbe(CALL)
    expect(ejection.answered(1_100, true, 1_100)).toBe(true)
    expect(ejection.state).toBe('available')
  })

  test('does not end with the answer to an earlier request', () => {
    const ejection = new Ejection()
    ejection.connectFailed(100, 'ECONNREFUSED')
    expect(ejection.answered(50, true, 50)).toBe(false)
    expect(ejection.state).toBe('ejected')
  })

  test('lasts 1 s again after a success', () => {
    const ejection = new Ejection()
    ejection.connectFailed(0, 'ECONNREFUSED')
    ejection.startProbe(CALL)
    ejection.connectFailed(1_000, 'ECONNREFUSED', ejection.endProbe(CALL))
    ejection.startProbe(CALL)
    ejection.answered(3_000, true, 3_000)
    expect(ejection.connectFailed(4_000, 'ECONNREFUSED')).toBe(1_000)
  })

  test('an inconclusive probe leaves the next call to probe', () => {
    const ejection = new Ejection()
    ejection.connectFailed(0, 'ECONNREFUSED')
    ejection.startProbe(CALL)
    expect(ejection.probeAt).toBe(Number.POSITIVE_INFINITY)
    expect(ejection.endProbe(CALL)).toBe(true)
    expect(ejection.state).toBe('ejected')
    expect(ejection.probeAt).toBe(1_000)
  })

  test('only its own call ends a probe, and it says nothing about a later ejection', () => {
    const ejection = new Ejection()
    ejection.connectFailed(0, 'ECONNREFUSED')
    ejection.startProbe(CALL)
    for (const other of [undefined, {}]) expect(ejection.endProbe(other)).toBe(false)
    expect(ejection.state).toBe('probing')
    expect(ejection.connectFailed(1_100, 'ECONNRESET', ejection.endProbe({}))).toBeUndefined()
    ejection.markDraining(1_200)
    expect(ejection.state).toBe('probing')
    expect(ejection.endProbe(CALL)).toBe(false)
    expect(ejection).toMatchObject({ state: 'ejected', cause: 'drains', probeAt: 11_200 })
  })

  test('aborted probes extend it by 20 s, then 30 s, until the task has answered', () => {
    const ejection = new Ejection()
    ejection.connectFailed(0, 'ECONNREFUSED')
    const times = [1, 2, 3, 4].map(() => ejection.probeAborted(0, 'no answer in 500 ms', 10_000))
    expect(times).toEqual([20_000, 30_000, 30_000, 30_000])
    expect(ejection).toMatchObject({ cause: 'fails', reason: 'no answer in 500 ms' })
    expect(ejection.answered(1, true, 1)).toBe(true)
    ejection.connectFailed(2, 'ECONNREFUSED')
    expect(ejection.probeAborted(3, 'no answer in 500 ms', 10_000)).toBe(20_000)
  })

  test('a probe with a connection and no answer doubles it, like one without a connection', () => {
    const ejection = new Ejection()
    ejection.connectFailed(0, 'ECONNREFUSED')
    expect(ejection.probeBroke(1_000, 'ECONNRESET')).toBe(2_000)
    expect(ejection).toMatchObject({ cause: 'fails', reason: 'ECONNRESET' })
    expect(ejection.connectFailed(3_000, 'ECONNREFUSED', true)).toBe(4_000)
    expect(ejection.cause).toBe('refuses')
  })
})

test('a probe that lost to another attempt repeats the ejection, and is forgotten with the next success', () => {
  const ejection = new Ejection()
  ejection.failed(0, 'slow', 10_000, 1)
  ejection.startProbe(CALL)
  expect(ejection.endProbe(CALL)).toBe(true)
  expect(ejection.probeOutrun(10_050)).toBe(10_000)
  expect(ejection).toMatchObject({ state: 'ejected', cause: 'fails', reason: 'slow', probeAt: 20_050 })
  ejection.startProbe(CALL)
  expect(ejection.answered(20_050, true, 20_060)).toBe(true)
})

describe('a draining task', () => {
  test('is ejected for 10 s, whatever it answers to earlier requests, and then probed', () => {
    const ejection = new Ejection()
    expect(ejection.markDraining(100)).toBe(10_000)
    expect(ejection.markDraining(200)).toBeUndefined()
    expect(ejection.answered(50, true, 300)).toBe(false)
    expect(ejection).toMatchObject({ state: 'ejected', cause: 'drains', probeAt: 10_200 })
  })

  test('is ejected for another 10 s if its probe announces draining again, and readmitted if not', () => {
    const ejection = new Ejection()
    ejection.markDraining(0)
    ejection.startProbe(CALL)
    expect(ejection.markDraining(10_005)).toBe(10_000)
    ejection.endProbe(CALL)
    expect(ejection.answered(10_001, true, 10_005)).toBe(false)
    ejection.startProbe(CALL)
    expect(ejection.answered(20_006, true, 20_010)).toBe(true)
  })

  test('stays ejected when further answers announce draining, and is reported once', () => {
    const ejection = new Ejection()
    expect(ejection.markDraining(100)).toBe(10_000)
    for (let now = 200; now < 1_000; now += 100) {
      expect(ejection.markDraining(now)).toBeUndefined()
      expect(ejection.answered(now - 50, true, now)).toBe(false)
    }
    expect(ejection.state).toBe('ejected')
    expect(ejection.probeAt).toBe(10_900)
  })
})
