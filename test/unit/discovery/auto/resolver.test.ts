import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ResolutionFailedError } from '../../../../src/core/errors.ts'
import { autoResolver } from '../../../../src/discovery/auto/resolver.ts'
import type { Filter } from '../../../../src/discovery/auto/source-merger.ts'
import { CloudMapError, type CloudMapFailure } from '../../../../src/discovery/cloud-map/error.ts'
import { taskEndpoint, type Endpoint, type Snapshot } from '../../../../src/discovery/endpoint.ts'
import type { Resolver } from '../../../../src/discovery/resolver.ts'
import { parseServiceName, type ServiceName } from '../../../../src/discovery/service-name.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'
import { scriptedResolver, type ScriptedResolver } from '../../../../src/testing/fakes/scripted-resolver.ts'
import { eventsOf } from '../../../support/events.ts'

const ORDERS = parseServiceName('orders.shop.local', ['shop.local'])
const CARTS = parseServiceName('carts.shop.local', ['shop.local'])

interface Both {
  readonly clock: ManualClock
  readonly api: ScriptedResolver
  readonly dns: ScriptedResolver
  readonly auto: Resolver
  ask(service?: ServiceName): Promise<Snapshot>
  /** Who answers: by its address. */
  who(service?: ServiceName): Promise<string | undefined>
}

const BY_API = '10.0.0.1'
const BY_DNS = '10.0.0.2'
/** The latest moment. */
const FULL_READ_MS = 330_000
const MAX_BACKOFF_MS = 60_000

function both(filter: Filter = 'none'): Both {
  const clock = manualClock()
  const api = scriptedResolver(clock, [BY_API])
  const dns = scriptedResolver(clock, [BY_DNS])
  const auto = autoResolver({ api, dns, clock, random: seededRandom(1), filter })
  const ask = (service = ORDERS): Promise<Snapshot> => auto.resolve(service, new AbortController().signal)
  return { clock, api, dns, auto, ask, who: async (service) => (await ask(service)).endpoints[0]?.address }
}

function failed(failure: CloudMapFailure, host = ORDERS.host): CloudMapError {
  return new CloudMapError(host, failure, `as the test says: ${failure}`)
}

test('both are asked at first, and the API decides', async () => {
  const { ask, api, dns } = both()
  expect(await ask()).toMatchObject({
    endpoints: [{ address: BY_API }],
    source: 'scripted',
    warning: undefined,
  })
  expect([api.lookups.length, dns.lookups.length]).toEqual([1, 1])
})

test('an empty answer of the API is believed if DNS names nothing either', async () => {
  const { ask, api, dns } = both()
  api.answer([])
  dns.answer([])
  expect((await ask()).endpoints).toEqual([])
})

test('a name in no namespace is for DNS only, without an event', async () => {
  const events = eventsOf('onehop:discovery.fell-back')
  const { who, api } = both()
  expect(await who(parseServiceName('www.app.io', ['shop.local']))).toBe(BY_DNS)
  expect(api.lookups).toEqual([])
  expect(events).toEqual([])
})

describe.each(['denied', 'unknown-name', 'invalid-request'] as const)('%s', (failure) => {
  test('leaves this name to DNS for a minute, and says so once', async () => {
    const events = eventsOf('onehop:discovery.fell-back')
    const { who, api, clock } = both()
    const error = failed(failure)
    api.answer(error)
    expect(await who()).toBe(BY_DNS)
    expect(events).toEqual([{ host: ORDERS.host, from: 'cloud-map', to: 'dns', error }])
    await clock.advance(59_999)
    expect(await who()).toBe(BY_DNS)
    expect(api.lookups).toHaveLength(1)
    await clock.advance(1)
    expect(await who()).toBe(BY_DNS)
    expect(api.lookups).toHaveLength(2)
    expect(events).toHaveLength(1)
    api.answer([BY_API])
    await clock.advance(60_000)
    expect(await who()).toBe(BY_API)
  })

  test('says nothing of other names', async () => {
    const { who, api } = both()
    api.answer(failed(failure))
    await who()
    api.answer([BY_API])
    expect(await who(CARTS)).toBe(BY_API)
  })

  test('leaves to DNS even what the API had answered before', async () => {
    const { who, api, clock } = both()
    await who()
    api.answer(failed(failure))
    await clock.advance(FULL_READ_MS)
    expect(await who()).toBe(BY_DNS)
  })
})

describe('no credentials', () => {
  test('leave all names to DNS for a minute, and say so once for each that asks the API', async () => {
    const events = eventsOf('onehop:discovery.fell-back')
    const { who, api, clock } = both()
    api.answer(failed('no-credentials'))
    expect(await who()).toBe(BY_DNS)
    expect(await who(CARTS)).toBe(BY_DNS)
    expect(api.lookups).toHaveLength(1)
    await clock.advance(60_000)
    api.answer([BY_API])
    expect(await who(CARTS)).toBe(BY_API)
    expect(await who()).toBe(BY_API)
    expect(events.map(({ host }) => host)).toEqual([ORDERS.host])
  })

  test('that were there a while ago are an outage', async () => {
    const { who, api, clock } = both()
    await who()
    api.answer(failed('no-credentials'))
    await clock.advance(FULL_READ_MS)
    expect(await who()).toBe(BY_API)
    expect(api.lookups).toHaveLength(2)
  })
})

describe.each([
  ['an outage', failed('outage')],
  ['an error of unknown kind', new Error('as the test says')],
])('%s', (_, error) => {
  test('leaves the name to DNS if the API never answered, which is asked again soon', async () => {
    const events = eventsOf('onehop:discovery.fell-back')
    const { who, api, clock } = both()
    api.answer(error)
    expect(await who()).toBe(BY_DNS)
    await clock.advance(MAX_BACKOFF_MS)
    expect(await who()).toBe(BY_DNS)
    expect(api.lookups).toHaveLength(2)
    expect(events).toHaveLength(1)
    api.answer([BY_API])
    await clock.advance(MAX_BACKOFF_MS)
    expect(await who()).toBe(BY_API)
  })

  test('is asked with each lookup if DNS names nothing either: callers have nothing', async () => {
    const { who, api, dns, clock } = both()
    api.answer(error)
    dns.answer([])
    for (let lookup = 1; lookup <= 6; lookup++) {
      await expect(who()).rejects.toThrow('neither the Cloud Map API nor DNS knows')
      expect(api.lookups).toHaveLength(lookup)
      await clock.advance(5_000)
    }
    api.answer([BY_API])
    expect(await who()).toBe(BY_API)
  })

  test('changes nothing for a minute if the API has answered: it knows more than DNS', async () => {
    const events = eventsOf('onehop:discovery.fell-back')
    const { ask, api, clock } = both()
    await ask()
    api.answer(error)
    await clock.advance(FULL_READ_MS)
    expect(await ask()).toMatchObject({ endpoints: [{ address: BY_API }], warning: undefined })
    expect(events).toEqual([])
  })

  test('fails the lookup if DNS names nothing: it may be an HTTP namespace', async () => {
    const { who, api, dns, clock } = both()
    dns.answer([])
    await who()
    api.answer(error)
    await clock.advance(MAX_BACKOFF_MS)
    await expect(who()).rejects.toThrow('DNS: knows no endpoints')
  })
})

describe('an outage that lasts', () => {
  /** Asks as a view does that is in use, once a second. */
  const passes = async ({ ask, clock }: Both, ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      await clock.advance(1_000)
      await ask().catch(() => undefined)
    }
  }

  test('a minute: DNS decides alone, as an event and the snapshot say; the API is tried again', async () => {
    const fellBack = eventsOf('onehop:discovery.fell-back')
    const recovered = eventsOf('onehop:discovery.recovered')
    const auto = both()
    const { ask, api } = auto
    await ask()
    const error = failed('outage')
    api.answer(error)
    // The next full read is what fails first.
    await passes(auto, FULL_READ_MS)
    await passes(auto, 2 * MAX_BACKOFF_MS)
    expect(await ask()).toMatchObject({
      endpoints: [{ address: BY_DNS }],
      warning: 'DNS is asked instead: as the test says: outage',
    })
    expect(fellBack).toEqual([{ host: ORDERS.host, from: 'cloud-map', to: 'dns', error }])
    const asked = api.lookups.length
    await passes(auto, 10 * MAX_BACKOFF_MS)
    expect(api.lookups.length - asked).toBeGreaterThanOrEqual(5)
    expect(api.lookups.length - asked).toBeLessThanOrEqual(11)
    api.answer([BY_API])
    await passes(auto, 2 * MAX_BACKOFF_MS)
    expect(await ask()).toMatchObject({ endpoints: [{ address: BY_API }], warning: undefined })
    expect(fellBack).toHaveLength(1)
    expect(recovered).toEqual([{ host: ORDERS.host, from: 'dns', to: 'cloud-map' }])
  })

  test('a second one is reported again', async () => {
    const events = eventsOf('onehop:discovery.fell-back')
    const auto = both()
    for (let round = 0; round < 2; round++) {
      auto.api.answer([BY_API])
      await passes(auto, 2 * MAX_BACKOFF_MS)
      auto.api.answer(failed('outage'))
      await passes(auto, FULL_READ_MS + 2 * MAX_BACKOFF_MS)
      expect(await auto.who()).toBe(BY_DNS)
    }
    expect(events).toHaveLength(2)
  })

  test('does not make DNS believed that knows nothing: a namespace may have none', async () => {
    const auto = both()
    auto.dns.answer([])
    await auto.who()
    auto.api.answer(failed('outage'))
    await passes(auto, FULL_READ_MS)
    await expect(auto.ask()).rejects.toThrow(
      'neither the Cloud Map API nor DNS knows: as the test says: outage; DNS: knows no endpoints',
    )
  })
})

describe('what the API reported about an address', () => {
  const known = taskEndpoint('10.0.0.7', { port: 8080, zone: 'eu-west-1a', weight: 3, id: 'task-7' })
  const handedOver = async (
    byApi: readonly Endpoint[],
    byDns: readonly (Endpoint | string)[],
  ): Promise<readonly Endpoint[]> => {
    const { ask, api, dns, clock } = both()
    api.answer(byApi)
    await ask()
    api.answer(failed('denied'))
    dns.answer(byDns)
    await clock.advance(FULL_READ_MS)
    return (await ask()).endpoints
  }

  test('holds for the same address out of DNS', async () => {
    expect(await handedOver([known], [taskEndpoint('10.0.0.7')])).toEqual([known])
  })

  test('and for all ports of it', async () => {
    const other = { ...known, port: 9090 }
    expect(await handedOver([known, other], [taskEndpoint('10.0.0.7')])).toEqual([known, other])
    expect(await handedOver([known, other], [taskEndpoint('10.0.0.7', { port: 9090 })])).toEqual([other])
  })

  test('one port for all is the port of a new address, too', async () => {
    const fresh = taskEndpoint('10.0.0.8')
    expect(await handedOver([known], [fresh])).toEqual([{ ...fresh, port: 8080 }])
    expect(await handedOver([known, { ...known, port: 9090 }], [fresh])).toEqual([fresh])
    expect(await handedOver([known], [{ ...fresh, port: 443 }])).toEqual([{ ...fresh, port: 443 }])
  })

  test('is a better guess than a DNS that knows nothing; unless the API knew of nothing either', async () => {
    await expect(handedOver([known], [])).rejects.toThrow('DNS: knows no endpoints')
    expect(await handedOver([], [])).toEqual([])
  })
})

test('what the API excludes, as an instance of WEIGHT 0, gets no calls while DNS decides alone', async () => {
  const { clock, api, dns } = both()
  const excluded = ['10.0.0.8', 'fd00::9']
  const auto = autoResolver({
    ...{ dns, clock, random: seededRandom(1) },
    api: { resolve: async (...asked) => ({ ...(await api.resolve(...asked)), excluded }) },
  })
  const ask = (): Promise<Snapshot> => auto.resolve(ORDERS, new AbortController().signal)
  await ask()
  api.answer(failed('denied'))
  dns.answer([BY_API, '10.0.0.8', BY_DNS])
  await clock.advance(FULL_READ_MS)
  expect((await ask()).endpoints.map(({ address }) => address)).toEqual([BY_API, BY_DNS])
  // DNS knows the other address of each task only.
  dns.answer([taskEndpoint('fd00::9')])
  await clock.advance(FULL_READ_MS)
  expect((await ask()).endpoints.map(({ address }) => address)).toEqual(['fd00::9'])
})

describe('where the API names some of the instances only (queryParameters)', () => {
  test('DNS alone adds none: those that the API has named go on', async () => {
    const { ask, api, dns, clock } = both('required')
    await ask()
    api.answer(failed('denied'))
    dns.answer([BY_API, BY_DNS])
    await clock.advance(FULL_READ_MS)
    expect((await ask()).endpoints.map(({ address }) => address)).toEqual([BY_API])
  })

  test('and without an answer of the API the lookup fails, and says why', async () => {
    for (const failure of ['denied', 'outage', 'no-credentials'] as const) {
      const { ask, api } = both('required')
      api.answer(failed(failure))
      await expect(ask()).rejects.toThrow('DNS: does not show which instances match cloudMap.queryParameters')
    }
  })

  test('unless it prefers some: then all will do (optionalParameters)', async () => {
    const { who, api } = both('preferred')
    api.answer(failed('denied'))
    expect(await who()).toBe(BY_DNS)
  })

  test('a slow API is waited for', async () => {
    const { who, api, clock } = both('required')
    const late = Promise.withResolvers<readonly string[]>()
    api.answer(late.promise)
    const answer = who()
    await clock.advance(3_000)
    late.resolve([BY_API])
    expect(await answer).toBe(BY_API)
  })
})

test('a name that neither the API nor DNS knows has no endpoints', async () => {
  const { ask, api, dns, clock } = both()
  await ask()
  api.answer(failed('unknown-name'))
  dns.answer([])
  await clock.advance(FULL_READ_MS)
  expect((await ask()).endpoints).toEqual([])
})

describe('an API that is slow with the first lookup of a name', () => {
  test('is not waited for any more after a second; its answer counts when it comes', async () => {
    const fellBack = eventsOf('onehop:discovery.fell-back')
    const recovered = eventsOf('onehop:discovery.recovered')
    const { who, api, clock } = both()
    const late = Promise.withResolvers<readonly string[]>()
    api.answer(late.promise)
    const answer = who()
    let isThere = false
    void answer.then(() => (isThere = true))
    await clock.advance(999)
    expect(isThere).toBe(false)
    await clock.advance(1)
    expect(await answer).toBe(BY_DNS)
    expect(fellBack[0]?.error.message).toContain('the Cloud Map API gave no answer in 1000 ms')
    late.resolve([BY_API])
    await clock.advance(0)
    expect(recovered).toHaveLength(1)
    expect(await who()).toBe(BY_API)
    expect(clock.pendingTimers).toBe(0)
  })

  test('is still waited for when DNS fails, or knows nothing', async () => {
    for (const dnsAnswer of [[], new Error('SERVFAIL')]) {
      const { who, api, dns, clock } = both()
      const late = Promise.withResolvers<readonly string[]>()
      api.answer(late.promise)
      dns.answer(dnsAnswer)
      const answer = who()
      await clock.advance(2_000)
      late.resolve([BY_API])
      expect(await answer).toBe(BY_API)
    }
  })

  test('is not held up by a DNS that is silent', async () => {
    const { ask, api, dns, clock } = both()
    const late = Promise.withResolvers<readonly string[]>()
    api.answer(late.promise)
    dns.answer(new Promise(() => {}))
    const answer = ask()
    await clock.advance(1_500)
    late.resolve([BY_API])
    await clock.advance(50)
    expect(await answer).toMatchObject({ endpoints: [{ address: BY_API }] })
    expect(clock.pendingTimers).toBe(0)
  })

  test('does not outlive close', async () => {
    const { auto, api, clock, who } = both()
    api.answer(new Promise(() => {}))
    const answer = who()
    await clock.advance(1_000)
    await answer
    const waiting = expect(who()).rejects.toThrow('ONEHOP_CLOSED')
    await auto.close?.()
    await waiting
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('after a pause', () => {
  test("the API is read again: an address may be another service's by now", async () => {
    const { ask, api, dns, clock } = both()
    api.answer([BY_API])
    dns.answer([BY_API])
    await ask()
    await clock.advance(FULL_READ_MS - 100_000)
    api.answer(['10.0.0.3'])
    dns.answer(['10.0.0.3'])
    expect((await ask()).endpoints.map(({ address }) => address)).toEqual(['10.0.0.3'])
    expect(api.lookups).toHaveLength(2)
  })

  test.each([300_000, 1_200_000])(
    'of %i ms nothing is fresh that no source has said since',
    async (pauseMs) => {
      const { ask, api, dns, clock } = both()
      dns.answer([BY_API])
      await ask()
      await clock.advance(pauseMs)
      api.answer(new Promise(() => {}))
      dns.answer(new Promise(() => {}))
      let isThere = false
      const answer = ask().finally(() => (isThere = true))
      await clock.advance(2_500)
      expect(isThere).toBe(false)
      api.answer(['10.0.0.3'])
      void answer.catch(() => undefined)
    },
  )
})

test('property: whatever happens to the API, changes to DNS and back are reported in turn, and DNS names what it named', async () => {
  const api = fc.constantFrom<CloudMapFailure | 'answers'>(
    'answers',
    'outage',
    'denied',
    'unknown-name',
    'no-credentials',
    'invalid-request',
  )
  const dns = fc.constantFrom('answers', 'empty', 'fails')
  const step = fc.record({ api, dns, afterMs: fc.integer({ min: 0, max: 90_000 }) })
  const told: string[] = []
  const listen = (_event: unknown, name: string | symbol): void => void told.push(String(name))
  const names = ['onehop:discovery.fell-back', 'onehop:discovery.recovered']
  for (const name of names) subscribe(name, listen)
  onTestFinished(() => names.forEach((name) => unsubscribe(name, listen)))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      told.length = 0
      const { ask, api: scriptedApi, dns: scriptedDns, clock, auto } = both()
      for (const { api: state, dns: dnsState, afterMs } of steps) {
        scriptedApi.answer(state === 'answers' ? [BY_API] : failed(state))
        scriptedDns.answer(
          dnsState === 'answers' ? [BY_DNS] : dnsState === 'empty' ? [] : new Error('SERVFAIL'),
        )
        await clock.advance(afterMs)
        const asked = scriptedApi.lookups.length
        const answer = await ask().catch((error: unknown) => error)
        const askedApi = scriptedApi.lookups.length > asked
        const isApis = askedApi && state === 'answers'
        if (isApis)
          expect((answer as Snapshot).endpoints).toContainEqual(expect.objectContaining({ address: BY_API }))
        else if (answer instanceof Error) expect(answer).toBeInstanceOf(ResolutionFailedError)
        else expect(answer).toMatchObject({ expiresAt: expect.any(Number) as number })
        if (!(answer instanceof Error) && (answer as Snapshot).warning?.startsWith('DNS is asked') === true)
          expect((answer as Snapshot).endpoints.map(({ address }) => address)).not.toContain(BY_API)
      }
      told.forEach((name, index) => expect(name).toBe(names[index % 2]))
      await auto.close?.()
      expect(clock.pendingTimers).toBe(0)
    }),
    { numRuns: 200 },
  )
})

test('if both fail, the error has both', async () => {
  const { ask, api, dns } = both()
  const apiError = failed('denied')
  const dnsError = new ResolutionFailedError(ORDERS.host, 'A query failed: 10.0.0.2:53 answered SERVFAIL')
  api.answer(apiError)
  dns.answer(dnsError)
  const error: unknown = await ask().catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(ResolutionFailedError)
  expect(error).toMatchObject({
    host: ORDERS.host,
    message:
      '[ONEHOP_RESOLUTION_FAILED] orders.shop.local: neither the Cloud Map API nor DNS knows: as the test says: denied; DNS: A query failed: 10.0.0.2:53 answered SERVFAIL',
    cause: expect.objectContaining({ errors: [apiError, dnsError] }) as unknown,
  })
})

test('an abort is not an outage', async () => {
  const events = eventsOf('onehop:discovery.fell-back')
  const { auto, api } = both()
  const reason = new Error('the caller went away')
  const abort = new AbortController()
  api.answer(new Promise(() => {}))
  const answer = auto.resolve(ORDERS, abort.signal)
  abort.abort(reason)
  await expect(answer).rejects.toBe(reason)
  expect(events).toEqual([])
})

test('an abort while DNS is asked passes its reason through', async () => {
  const { auto, api, dns, clock } = both()
  const reason = new Error('the caller went away')
  const abort = new AbortController()
  api.answer(failed('denied'))
  dns.answer(new Promise(() => {}))
  const answer = auto.resolve(ORDERS, abort.signal)
  await clock.advance(0)
  expect(dns.lookups).toHaveLength(1)
  abort.abort(reason)
  await expect(answer).rejects.toBe(reason)
})

test('closes both', async () => {
  const { api, dns, clock } = both()
  const closed: string[] = []
  const auto = autoResolver({
    api: { ...api, close: () => void closed.push('api') },
    dns: { ...dns, close: () => void closed.push('dns') },
    clock,
    random: seededRandom(1),
  })
  await auto.close?.()
  expect(closed).toEqual(['api', 'dns'])
})
