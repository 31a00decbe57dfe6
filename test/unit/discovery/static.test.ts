import { describe, expect, test } from 'vitest'
import { InvalidOptionsError, ResolutionFailedError } from '../../../src/core/errors.ts'
import { parseServiceName } from '../../../src/discovery/service-name.ts'
import { staticResolver } from '../../../src/discovery/static.ts'

const signal = new AbortController().signal

test('answers what was written, for ever', async () => {
  const resolver = staticResolver({
    'Orders.Shop.Local.': ['10.0.1.5:8080', '[2600:1f18::5]:8080', '127.0.0.1', '::1'],
  })
  const service = parseServiceName('orders.shop.local', ['shop.local'])
  const snapshot = await resolver.resolve(service, signal)
  expect(snapshot).toMatchObject({ service, complete: true, expiresAt: Infinity, source: 'static' })
  expect(snapshot.endpoints).toMatchObject([
    { address: '10.0.1.5', port: 8080, tier: 0, weight: 1 },
    { address: '2600:1f18::5', port: 8080 },
    { address: '127.0.0.1', port: undefined },
    { address: '::1', port: undefined },
  ])
})

test('an empty list is an empty set', async () => {
  const snapshot = await staticResolver({ 'a.b': [] }).resolve(parseServiceName('a.b', []), signal)
  expect(snapshot.endpoints).toEqual([])
})

test('a host that was not written fails, and names those that were', async () => {
  const failed = staticResolver({ 'a.b': [], 'c.d': [] }).resolve(parseServiceName('x.y', []), signal)
  await expect(failed).rejects.toThrow(ResolutionFailedError)
  await expect(failed).rejects.toThrow('x.y: the static resolver knows a.b, c.d only')
})

test('an aborted signal is heeded', async () => {
  const reason = new Error('gone')
  const failed = staticResolver({ 'a.b': [] }).resolve(parseServiceName('a.b', []), AbortSignal.abort(reason))
  await expect(failed).rejects.toBe(reason)
})

describe('refused at once', () => {
  test.each([
    [{ 'a.b': ['10.0.1.5', 'host:80'] }, 'services["a.b"][1]'],
    [{ 'a.b': ['10.0.1.5:0'] }, 'services["a.b"][0]'],
    [{ 'a.b': ['10.0.1.5:65536'] }, 'services["a.b"][0]'],
    [{ 'a.b': ['10.0.1.5:'] }, 'services["a.b"][0]'],
    [{ 'a.b': ['http://10.0.1.5'] }, 'services["a.b"][0]'],
    [{ 'a.b': [''] }, 'services["a.b"][0]'],
    [{ 'a.b': [8080] }, 'services["a.b"][0]'],
    [{ 'a.b': '10.0.1.5' }, 'services["a.b"]'],
    [[], 'services'],
  ])('%j', (services, option) => {
    const make = (): unknown => staticResolver(services as never)
    expect(make).toThrow(InvalidOptionsError)
    expect(make).toThrow(expect.objectContaining({ option }))
  })
})
