import { describe, expect, test } from 'vitest'
import { ResolutionFailedError } from '../../src/core/errors.ts'
import { autoResolver } from '../../src/discovery/auto.ts'
import { CloudMapError, type CloudMapFailure } from '../../src/discovery/cloud-map-error.ts'
import type { Snapshot } from '../../src/discovery/endpoint.ts'
import type { Resolver } from '../../src/discovery/resolver.ts'
import { parseServiceName, type ServiceName } from '../../src/discovery/service-name.ts'
import { manualClock, type ManualClock } from '../../src/testing/manual-clock.ts'
import { scriptedResolver, type ScriptedResolver } from '../../src/testing/scripted-resolver.ts'
import { eventsOf } from './events.ts'

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

function both(): Both {
  const clock = manualClock()
  const api = scriptedResolver(clock, [BY_API])
  const dns = scriptedResolver(clock, [BY_DNS])
  const auto = autoResolver({ api, dns, clock })
  const ask = (service = ORDERS): Promise<Snapshot> => auto.resolve(service, new AbortController().signal)
  return { clock, api, dns, auto, ask, who: async (service) => (await ask(service)).endpoints[0]?.address }
}

function failed(failure: CloudMapFailure, host = ORDERS.host): CloudMapError {
  return new CloudMapError(host, failure, `as the test says: ${failure}`)
}

test('the API answers where it can, and DNS is not asked', async () => {
  const { who, dns } = both()
  expect(await who()).toBe(BY_API)
  expect(dns.lookups).toEqual([])
})

test('an empty answer of the API is believed', async () => {
  const { ask, api, dns } = both()
  api.answer([])
  expect((await ask()).endpoints).toEqual([])
  expect(dns.lookups).toEqual([])
})

test('a name in no namespace is for DNS only, which is no event', async () => {
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
    const { who, api } = both()
    await who()
    api.answer(failed(failure))
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
    const { who, api, dns } = both()
    await who()
    const error = failed('no-credentials')
    api.answer(error)
    await expect(who()).rejects.toBe(error)
    expect(dns.lookups).toEqual([])
  })
})

describe.each([
  ['an outage', failed('outage')],
  ['an error of unknown kind', new Error('as the test says')],
])('%s', (_, error) => {
  test('leaves this lookup to DNS if the API never answered; the next asks it again', async () => {
    const events = eventsOf('onehop:discovery.fell-back')
    const { who, api } = both()
    api.answer(error)
    expect(await who()).toBe(BY_DNS)
    expect(await who()).toBe(BY_DNS)
    expect(api.lookups).toHaveLength(2)
    expect(events).toHaveLength(1)
    api.answer([BY_API])
    expect(await who()).toBe(BY_API)
  })

  test('fails the lookup if the API has answered: the last good set knows more than DNS', async () => {
    const { who, api, dns } = both()
    await who()
    api.answer(error)
    await expect(who()).rejects.toBe(error)
    expect(dns.lookups).toEqual([])
  })
})

test('if both fail, the error tells both', async () => {
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
      '[ONEHOP_RESOLUTION_FAILED] orders.shop.local: neither the Cloud Map API nor DNS can tell: as the test says: denied; DNS: A query failed: 10.0.0.2:53 answered SERVFAIL',
    cause: expect.objectContaining({ errors: [apiError, dnsError] }) as unknown,
  })
})

test('an abort is not an outage: DNS is not asked', async () => {
  const { auto, api, dns } = both()
  const reason = new Error('the caller went away')
  const abort = new AbortController()
  api.answer(new Promise(() => {}))
  const answer = auto.resolve(ORDERS, abort.signal)
  abort.abort(reason)
  await expect(answer).rejects.toBe(reason)
  expect(dns.lookups).toEqual([])
})

test('an abort while DNS is asked passes its reason through', async () => {
  const { auto, api, dns } = both()
  const reason = new Error('the caller went away')
  const abort = new AbortController()
  api.answer(failed('denied'))
  dns.answer(new Promise(() => {}))
  const answer = auto.resolve(ORDERS, abort.signal)
  setTimeout(() => abort.abort(reason), 5)
  await expect(answer).rejects.toBe(reason)
})

test('closes both', async () => {
  const { api, dns, clock } = both()
  const closed: string[] = []
  const auto = autoResolver({
    api: { ...api, close: () => void closed.push('api') },
    dns: { ...dns, close: () => void closed.push('dns') },
    clock,
  })
  await auto.close?.()
  expect(closed).toEqual(['api', 'dns'])
})
