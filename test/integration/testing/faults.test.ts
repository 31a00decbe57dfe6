/** A fault that is misspelt would make a test pass for the wrong reason. */
import { InvalidOptionsError } from 'onehop'
import { startFleet, startLocalAws, type Fault, type Fleet } from 'onehop/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resources } from '../../support/resources.ts'

const { keep } = resources()

const WRONG: [unknown, string][] = [
  ['hang', 'fault: got "hang"; allowed: { kind } with one of none, slow, hang, status'],
  [{ kind: 'hangs' }, 'fault.kind: got "hangs"; allowed: "none", "slow", "hang"'],
  [{}, 'fault.kind: got undefined'],
  [undefined, 'fault: got undefined'],
  [{ kind: 'slow' }, 'fault.delayMs: got undefined; allowed: a number of ms'],
  [{ kind: 'slow', delay: 5 }, 'fault.delay: no such option; did you mean delayMs?'],
  [{ kind: 'slow', delayMs: '5' }, 'fault.delayMs: got "5"'],
  [{ kind: 'hang', delayMs: 5 }, 'fault.delayMs: no such option; known: kind'],
  [{ kind: 'status' }, 'fault.status: got undefined; allowed: an integer from 200 to 599'],
  [{ kind: 'status', status: 100 }, 'fault.status: got 100'],
  [{ kind: 'status', status: 503, retryAfter: 5 }, 'fault.retryAfter: got 5'],
]

describe.each([false, true])('a task, in a process of its own: %s', (processes) => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await startFleet({ tasks: 1, processes })
  })
  afterAll(() => fleet.close())

  test.each(WRONG)('refuses %j as a fault', async (fault, message) => {
    const error: unknown = await fleet.tasks[0]?.set(fault as Fault).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InvalidOptionsError)
    expect((error as Error).message).toContain(message)
  })

  test('takes those that there are', async () => {
    const faults: Fault[] = [
      { kind: 'slow', delayMs: 1 },
      { kind: 'hang' },
      { kind: 'status', status: 503, retryAfter: '5' },
      { kind: 'status', status: 500, retryAfter: undefined },
      { kind: 'reset' },
      { kind: 'reset-on-accept' },
      { kind: 'reset-mid-headers' },
      { kind: 'reset-mid-body' },
      { kind: 'none' },
    ]
    for (const fault of faults) await expect(fleet.tasks[0]?.set(fault)).resolves.toBeUndefined()
  })
})

describe('the local AWS', () => {
  test('refuses faults that there are not', async () => {
    const aws = keep(await startLocalAws())
    const wrong: [() => unknown, string][] = [
      [
        () => (aws.cloudMap.faults.answer = 'denied' as never),
        'faults.answer: got "denied"; allowed: "normal"',
      ],
      [() => (aws.dns.faults.answer = 'SERVFAIL' as never), 'faults.answer: got "SERVFAIL"'],
      [() => (aws.metadata.faults.answer = 'deny' as never), 'faults.answer: got "deny"'],
      [() => (aws.dns.faults.transport = 'UDP' as never), 'faults.transport: got "UDP"'],
      [() => (aws.cloudMap.faults.delayMs = '5' as never), 'faults.delayMs: got "5"'],
      [
        () => (aws.cloudMap.faults.only = 'DiscoverInstances' as never),
        'faults.only: got "DiscoverInstances"',
      ],
      [() => (aws.metadata.faults.resets = -1), 'faults.resets: got -1'],
      [
        () => Object.assign(aws.cloudMap.faults, { anwser: 'deny' }),
        'faults.anwser: no such option; did you mean answer?',
      ],
    ]
    for (const [set, message] of wrong) expect(set).toThrow(message)
    aws.cloudMap.faults.answer = 'deny'
    aws.cloudMap.faults.clear()
    expect(aws.cloudMap.faults).toMatchObject({ answer: 'normal', delayMs: 0, only: undefined })
  })

  test('refuses options that there are not', async () => {
    await expect(startLocalAws({ regoin: 'eu-west-1' } as never)).rejects.toThrow('did you mean region?')
    const aws = keep(await startLocalAws())
    const wrong: [() => unknown, string][] = [
      [() => aws.addNamespace('a.b', { kind: 'http' } as never), 'addNamespace.kind: no such option'],
      [() => aws.addService('c.a.b', { ttl: 5 } as never), 'addService.ttl: no such option'],
      [() => aws.register('c.a.b', 'x', { ip: '127.0.0.1' } as never), 'register.ip: no such option'],
      [() => aws.addRecords('d.e', { address: [] } as never), 'addRecords.address: no such option'],
    ]
    for (const [call, message] of wrong) expect(call).toThrow(message)
  })
})
