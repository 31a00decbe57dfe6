import { taskEndpoint } from 'onehop'
import { expect, test } from 'vitest'
import type { ApiAnswer } from '../../../src/cli/endpoints/api-answer.ts'
import { compare, isFinding } from '../../../src/cli/endpoints/compare.ts'
import type { DnsAnswer } from '../../../src/cli/endpoints/dns-answer.ts'

function dnsAnswer(places: readonly (readonly [string, number?])[], isSample = false): DnsAnswer {
  const endpoints = places.map(([address, port]) => taskEndpoint(address, { port }))
  return { records: 'A', endpoints, ttlMs: 10_000, isSample, isNonexistent: false, tookMs: 1 }
}

function apiAnswer(places: readonly (readonly [string, number?, ('HEALTHY' | 'UNHEALTHY')?])[]): ApiAnswer {
  const endpoints = places.map(([address, port, health = 'HEALTHY']) => ({
    endpoint: taskEndpoint(address, { port }),
    health,
  }))
  return { endpoints, unusable: [], revision: 1, tookMs: 1 }
}

function differences(dns: DnsAnswer | undefined, api: ApiAnswer | undefined): readonly unknown[] {
  return compare({ dns, api }).map(({ address, port, difference }) => [address, port, difference])
}

test('SRV that names another port is a finding, with both ports', () => {
  const [row] = compare({ dns: dnsAnswer([['10.0.1.1', 9090]]), api: apiAnswer([['10.0.1.1', 8080]]) })
  expect(row).toMatchObject({ port: 8080, sources: ['dns', 'api'], difference: 'port' })
  expect(row?.why).toBe('SRV names port 9090, which is not the registered one')
  expect(isFinding(row?.difference)).toBe(true)
})

test('two ports of one address are two endpoints, by SRV and by A records', () => {
  const api = apiAnswer([
    ['10.0.1.1', 8080],
    ['10.0.1.1', 8081],
  ])
  const same = [
    ['10.0.1.1', 8080, undefined],
    ['10.0.1.1', 8081, undefined],
  ]
  const srv = dnsAnswer([
    ['10.0.1.1', 8081],
    ['10.0.1.1', 8080],
  ])
  expect(differences(srv, api)).toEqual(same)
  expect(differences(dnsAnswer([['10.0.1.1']]), api)).toEqual(same)
})

test('one source alone has no differences', () => {
  const dns = dnsAnswer([['10.0.1.2'], ['10.0.1.10']])
  expect(differences(dns, undefined)).toEqual([
    ['10.0.1.2', undefined, undefined],
    ['10.0.1.10', undefined, undefined],
  ])
  expect(differences(undefined, apiAnswer([['10.0.1.1', 8080]]))).toEqual([['10.0.1.1', 8080, undefined]])
  // An HTTP namespace: the source as a whole knows nothing.
  expect(differences(dnsAnswer([]), apiAnswer([['10.0.1.1', 8080]]))).toEqual([['10.0.1.1', 8080, undefined]])
})

test('unhealthy tasks that DNS leaves out are expected, as long as others are healthy', () => {
  const dns = dnsAnswer([['10.0.1.1']])
  const some = apiAnswer([
    ['10.0.1.1', 80],
    ['10.0.1.2', 80, 'UNHEALTHY'],
  ])
  expect(differences(dns, some)[1]).toEqual(['10.0.1.2', 80, 'unhealthy'])
  const all = apiAnswer([
    ['10.0.1.1', 80, 'UNHEALTHY'],
    ['10.0.1.2', 80, 'UNHEALTHY'],
  ])
  expect(differences(dns, all)[1]).toEqual(['10.0.1.2', 80, 'not-in-dns'])
})

test('what a sample does not name is expected, what it names beyond the registrations is stale', () => {
  const dns = dnsAnswer([['10.0.1.1'], ['10.0.1.9']], true)
  const api = apiAnswer([
    ['10.0.1.1', 80],
    ['10.0.1.2', 80],
  ])
  expect(differences(dns, api)).toEqual([
    ['10.0.1.1', 80, undefined],
    ['10.0.1.2', 80, 'sample'],
    ['10.0.1.9', undefined, 'stale-dns'],
  ])
})
