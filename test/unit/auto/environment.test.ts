import { describe, expect, test } from 'vitest'
import { isDisabled, readEnvironment, unknownVariables } from '../../../src/auto/environment.ts'

test('without variables nothing is named, and all is left to the file and the defaults', () => {
  expect(readEnvironment({ PATH: '/bin' })).toEqual({
    namesNothing: true,
    config: undefined,
    namespaces: [],
    discovery: undefined,
    dnsServers: [],
    fallbacks: { ofAll: undefined, byHost: new Map() },
    install: {},
  })
})

test.each([
  [{}, false],
  [{ ONEHOP_DISABLED: '' }, false],
  [{ ONEHOP_DISABLED: 'false' }, false],
  [{ ONEHOP_DISABLED: ' true ' }, true],
  [{ ONEHOP_DISABLED: '1', ONEHOP_DISCOVERY: 'dsn' }, true],
])('%j: disabled is %j', (variables, expected) => {
  expect(isDisabled(variables)).toBe(expected)
})

test('lists may have spaces and empty parts', () => {
  const { namespaces, dnsServers, namesNothing } = readEnvironment({
    ONEHOP_NAMESPACES: ' shop.local, billing.local ,',
    ONEHOP_DNS_SERVERS: '10.0.0.2,[fd00::2]:53',
  })
  expect([namespaces, dnsServers]).toEqual([
    ['shop.local', 'billing.local'],
    ['10.0.0.2', '[fd00::2]:53'],
  ])
  expect(namesNothing).toBe(false)
})

describe('ONEHOP_FALLBACKS', () => {
  const fallbacks = (ONEHOP_FALLBACKS: string) => readEnvironment({ ONEHOP_FALLBACKS }).fallbacks

  test('splits at the first =', () => {
    expect([...fallbacks('a.local=http://alb-a, b.local = https://alb-b:8443/').byHost]).toEqual([
      ['a.local', 'http://alb-a'],
      ['b.local', 'https://alb-b:8443'],
    ])
    expect(() => fallbacks('a.local=b.local=http://alb')).toThrow('got "a.local=b.local=http://alb"')
  })

  test('has a URL for all services', () => {
    expect(fallbacks('http://alb')).toEqual({ ofAll: 'http://alb', byHost: new Map() })
    expect(() => fallbacks('http://one,http://two')).toThrow('allowed: one URL for each host')
  })

  test.each([
    'a.local',
    '=http://alb',
    'a.local=',
    'a.local=alb',
    'a.local=http://alb/path',
    'a.local=ftp://alb',
  ])('%j is refused', (given) => {
    expect(() => fallbacks(given)).toThrow(
      `ONEHOP_FALLBACKS: got ${JSON.stringify(given)}; allowed: HOST=URL`,
    )
  })

  test('a refusal shows no credentials', () => {
    expect(() => fallbacks('a.local=http://me:hunter2@alb')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') as string }) as never,
    )
  })
})

test.each([
  ['fetch', { fetch: true, http: false, mode: 'route' }],
  ['http, fetch', { fetch: true, http: true, mode: 'route' }],
  ['none', { fetch: true, http: true, mode: 'observe' }],
])('ONEHOP_INTERCEPT=%s', (ONEHOP_INTERCEPT, install) => {
  expect(readEnvironment({ ONEHOP_INTERCEPT }).install).toEqual(install)
})

test('a mistyped variable is named with the one that was probably meant', () => {
  expect(unknownVariables({ ONEHOP_NAMESPACES: '', ONEHOP_STOP_TIMEOUT_S: '30', PATH: '' })).toEqual([])
  expect(
    unknownVariables({ ONEHOP_NAMESPACE: '', onehop_disabled: '', ONEHOP_FALBACKS: '', ONEHOP_TEAPOT: '' }),
  ).toEqual([
    'there is no variable ONEHOP_NAMESPACE; did you mean ONEHOP_NAMESPACES?',
    'there is no variable ONEHOP_FALBACKS; did you mean ONEHOP_FALLBACKS?',
    'there is no variable ONEHOP_TEAPOT',
  ])
})
