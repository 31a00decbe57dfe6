/**
 * What is said of wrong options: the option, what was given as far as that is no secret, everything that is allowed.
 */
import {
  AttemptsExhaustedError,
  consistentHash,
  createClient,
  InvalidOptionsError,
  leastRequest,
} from 'onehop'
import { self } from 'onehop/ecs'
import { startFleet } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { settingsOf } from '../../../src/config/settings.ts'
import { ca, cert, key } from '../../support/transports/tls.ts'

function refusal(run: () => unknown): InvalidOptionsError {
  try {
    run()
  } catch (error) {
    if (error instanceof InvalidOptionsError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

function refusalOf(options: object): InvalidOptionsError {
  return refusal(() => settingsOf(options))
}

const SECRET = 'hunter2-hunter2'
const PEM = `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`

describe('no message has a secret', () => {
  const wrong: [string, object][] = [
    ['a passphrase of another kind', { pool: { connect: { passphrase: { value: SECRET } } } }],
    ['a passphrase where undici has no option', { pool: { passphrase: SECRET } }],
    ['a key that Node does not read', { pool: { connect: { key: PEM, cert } } }],
    ['a key that is no key', { pool: { connect: { key: SECRET } } }],
    [
      'a key beside a wrong option',
      { pool: { connect: { key, passphrase: SECRET, rejectUnauthorised: true } } },
    ],
    ['a passphrase beside a wrong number', { pool: { connections: -1, connect: { passphrase: SECRET } } }],
    ['a PEM in place of options', { pool: PEM }],
    ['a PEM in place of a host', { namespaces: [PEM] }],
    ["a URL's password", { fallback: `http://me:${SECRET}@alb.internal` }],
    ["a URL's password with a slash in it", { fallback: `http://me:a/${SECRET}@alb.internal/` }],
    ["a URL's user", { fallback: `https://${SECRET}@alb.internal` }],
    ["a URL's query", { fallback: `https://alb.internal/?token=${SECRET}` }],
    ['a URL in a list', { namespaces: [`http://me:${SECRET}@shop.local`] }],
    ['a URL as a host', { services: { [`http://me:${SECRET}@orders.shop.local`]: {} } }],
    ['a URL in an object', { fallback: { url: new URL(`http://me:${SECRET}@alb.internal`) } }],
    ['a server with a password', { dns: { servers: [`me:${SECRET}@10.0.0.2`] } }],
    ['an option that is unknown', { apiToken: SECRET }],
    ['credentials in the wrong place', { credentials: { secretAccessKey: SECRET } }],
    ['credentials as a string', { dns: {}, cloudMap: { credentials: SECRET } }],
    ['a bearer token as a header name', { deadlineHeader: `Bearer ${SECRET}` }],
  ]
  test.each(wrong)('%s', (_what, options) => {
    const error = refusal(() => createClient(options))
    expect(`${error.message} ${error.option} ${error.stack} ${JSON.stringify(error)}`).not.toContain(SECRET)
  })

  test('credentials of the API, of whatever kind', () => {
    for (const credentials of [
      { accessKeyId: 5, secretAccessKey: SECRET },
      { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: [SECRET] },
      { accessKeyId: 'a', secretAccessKey: SECRET, sessionTokn: SECRET },
      { accessKeyId: 'a', secretAccessKey: SECRET, sessionToken: { SECRET } },
      [SECRET],
      new Map([['secretAccessKey', SECRET]]),
    ])
      expect(refusal(() => createClient({ cloudMap: { credentials } as never })).message).not.toContain(
        SECRET,
      )
  })

  test('the environment, and keys of fleets', async () => {
    const told = [
      await self({ env: [SECRET] as never }).catch(String),
      await startFleet({ tasks: 1, tls: { key: SECRET, cert: 5 } as never }).catch(String),
      await startFleet({ tasks: 1, tls: PEM as never }).catch(String),
    ]
    for (const text of told) {
      expect(text).toContain('InvalidOptionsError')
      expect(text).not.toContain(SECRET)
    }
  })

  test('errors of others, in errors and in inspect()', async () => {
    const resolve = (): never => {
      throw new Error(`cannot reach redis://me:${SECRET}@10.0.0.9:6379/0`)
    }
    const client = createClient({ services: { 'a.b': {} }, discovery: { resolve } })
    const error: unknown = await client.request('http://a.b/').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      message: '[ONEHOP_RESOLUTION_FAILED] a.b: lookup failed: cannot reach redis://***@10.0.0.9:6379/0',
    })
    expect(JSON.stringify(client.inspect())).not.toContain(SECRET)
    await client.close()
  })

  test('values that are not secret are shown', () => {
    expect(refusalOf({ port: 70_000 }).message).toContain('port: got 70000; allowed')
    expect(refusalOf({ services: { 'token.shop.local': { port: 'x' } } }).message).toContain('got "x"')
    expect(refusalOf({ fallback: 'alb.internal' }).message).toContain('got "alb.internal"')
    expect(refusalOf({ fallback: `http://me:${SECRET}@alb.internal` }).message).toContain(
      '"http://***@alb.internal"',
    )
    expect(refusalOf({ retry: [1, 2] }).message).toContain('got an array of 2')
    expect(refusalOf({ retry: new Map() }).message).toContain('got an instance of Map')
    expect(refusalOf({ port: { tasks: 1, other: 2 } }).message).toContain('got an object of tasks, other')
  })
})

describe('allowed is everything that is allowed', () => {
  test.each<[object, string]>([
    [{ retry: true }, 'retry: got true; allowed: false, or a plain object of attempts, baseMs'],
    [{ hedge: 5 }, 'hedge: got 5; allowed: true, false, or a plain object of percentile'],
    [{ outlier: true }, 'outlier: got true; allowed: false, or a plain object of baseMs'],
    [{ subset: 5 }, 'subset: got 5; allowed: false, or a plain object of size'],
    [{ zone: 'eu-west-1b' }, 'zone: got "eu-west-1b"; allowed: false, or a plain object of own'],
    [{ deadlineHeader: true }, 'deadlineHeader: got true; allowed: false, or a name'],
    [
      { fallback: 5 },
      'fallback: got 5; allowed: the URL of a load balancer, or a plain object of url, host, pool',
    ],
    [{ discovery: 'cloudmap' }, 'allowed: "auto", "dns", "api", or a resolver with resolve()'],
    [
      { pool: { connect: 5 } },
      'allowed: a connector of undici, e.g. of its buildConnector(), or a plain object of ca,',
    ],
    [{ pool: { connections: '5' } }, 'pool.connections: got "5"; allowed: null, or an integer from 0'],
  ])('%j', (options, told) => expect(refusalOf(options).message).toContain(told))

  test('of balancers', () => {
    expect(refusal(() => leastRequest({ choices: 'both' as never })).message).toContain(
      '"all", or an integer from 2',
    )
    expect(refusal(() => consistentHash({ header: 'x', maxLoad: true as never })).message).toContain(
      'false, or a number from 1',
    )
  })
})

describe('an option that does not exist', () => {
  test('is called so, with the one that was meant', () => {
    expect(refusalOf({ namespace: [] }).message).toBe(
      '[ONEHOP_INVALID_OPTIONS] namespace: no such option; did you mean namespaces? known: namespaces, services, discovery, dns, cloudMap, allowLoopback, allowAddresses, passthrough, interceptors, clock, random, fallback, port, balancer, retry, hedge, classify, timeouts, deadlineHeader, outlier, slowStartMs, maxPending, subset, zone, pool',
    )
    expect(refusalOf({ retry: { maxAttempts: 3 } }).message).toMatch(
      /^\S+ retry.maxAttempts: no such option; known: att/,
    )
    expect(refusalOf({ timeouts: { deadlinems: 3 } }).message).toContain('did you mean deadlineMs?')
    expect(refusalOf({ pool: { keepAliveTimeoutMs: 1 } }).message).toContain('did you mean keepAliveTimeout?')
  })

  test.each(['', 'constructor', 'x'.repeat(10_000)])('is refused whatever it is called', (name) => {
    expect(refusalOf({ [name]: 1 }).message).toContain('no such option')
  })

  test('is refused by balancers', () => {
    expect(refusal(() => consistentHash({ header: 'x', maxload: 2 } as never)).message).toContain(
      'mean maxLoad?',
    )
    expect(refusal(() => leastRequest({ choice: 2 } as never)).message).toContain('mean choices?')
  })
})

describe('pool', () => {
  test.each<[object, string, string]>([
    [{ connexions: 5 }, 'pool.connexions', 'did you mean connections?'],
    [{ keepAlive: true }, 'pool.keepAlive', 'no such option'],
    [{ factory: () => undefined }, 'pool.factory', 'each task has an undici Pool'],
    [{ socketPath: '/run/app.sock' }, 'pool.socketPath', 'tasks are reached by address and port'],
    [{ tls: { ca } }, 'pool.tls', 'options for TLS belong into connect'],
    [{ pipelining: -1 }, 'pool.pipelining', 'an integer from 0'],
    [{ pipelining: 1.5 }, 'pool.pipelining', 'an integer from 0'],
    [{ headersTimeout: '5s' }, 'pool.headersTimeout', 'headersTimeout must be a positive integer or zero'],
    [{ keepAliveTimeout: 0 }, 'pool.keepAliveTimeout', 'invalid keepAliveTimeout'],
    [{ maxHeaderSize: 1.5 }, 'pool.maxHeaderSize', 'invalid maxHeaderSize'],
    [{ localAddress: 'eth0' }, 'pool.localAddress', 'localAddress must be valid string IP address'],
    [{ allowH2: 'yes' }, 'pool.allowH2', 'allowH2 must be a valid boolean value'],
    [{ useH2c: 1 }, 'pool.useH2c', 'true or false'],
    [{ h2Options: { useH2c: 1 } }, 'pool.h2Options', 'h2Options.useH2c must be a valid boolean value'],
    [
      { connect: { rejectUnauthorised: false } },
      'pool.connect.rejectUnauthorised',
      'mean rejectUnauthorized?',
    ],
    [{ connect: { rejectUnauthorized: 'false' } }, 'pool.connect.rejectUnauthorized', 'true or false'],
    [{ connect: { host: '10.0.0.1' } }, 'pool.connect.host', 'the one that discovery names'],
    [{ connect: { socketPath: '/run/app.sock' } }, 'pool.connect.socketPath', 'by address and port'],
    [{ connect: { allowH2: true } }, 'pool.connect.allowH2', 'allowH2 belongs beside connect'],
    [{ connect: { ALPNProtocols: ['h2'] } }, 'pool.connect.ALPNProtocols', 'allowH2'],
    [
      { connect: { ca: '/etc/ca.pem' } },
      'pool.connect.ca',
      'got "/etc/ca.pem"; allowed: a certificate in PEM',
    ],
    [{ connect: { ca: [ca, './ca.pem'] } }, 'pool.connect.ca', 'read the file'],
    [{ connect: { key: '/etc/key.pem' } }, 'pool.connect', 'what Node takes for TLS'],
    [{ connect: { minVersion: 'TLSv9' } }, 'pool.connect', 'is not a valid minimum TLS protocol version'],
  ])('$1: $2', (pool, option, told) => {
    expect(refusalOf({ pool })).toMatchObject({ option, message: expect.stringContaining(told) as string })
    const path = 'services["a.b"].fallback'
    const ofFallback = refusalOf({ services: { 'a.b': { fallback: { url: 'http://alb.internal', pool } } } })
    expect(ofFallback.option).toBe(`${path}.${option}`)
  })

  test('takes what undici takes', () => {
    const pool = {
      ...{
        connections: 2,
        clientTtl: 1_000,
        pipelining: 1,
        maxRequestsPerClient: 5,
        localAddress: '127.0.0.1',
      },
      ...{
        connectTimeout: 1_000,
        maxCachedSessions: 5,
        autoSelectFamily: false,
        bodyTimeout: 0,
        allowH2: true,
      },
      ...{ keepAliveTimeout: 5, keepAliveMaxTimeout: 5, keepAliveTimeoutThreshold: 5, useH2c: false },
      ...{ h2Options: { maxConcurrentStreams: 5 }, strictContentLength: true, maxHeaderSize: 100 },
      connect: { ca, cert, key, servername: 'a.b', rejectUnauthorized: true, timeout: 100, keepAlive: false },
    }
    expect(settingsOf({ pool }).defaults.pool).toEqual(pool)
    expect(settingsOf({ pool: { connections: null } }).defaults.pool).toEqual({ connections: null })
    expect(settingsOf({ pool: { connect: () => undefined } }).defaults.pool).toHaveProperty('connect')
  })

  test('an option that is undefined is as if it were not there, and does not undo a default', () => {
    const { defaults, services } = settingsOf({
      pool: { connections: 2, headersTimeout: undefined } as never,
      services: { 'a.b': { pool: { connections: undefined, connect: null } as never } },
    })
    expect(defaults.pool).toEqual({ connections: 2 })
    expect(services.get('a.b')?.pool).toEqual({ connections: 2 })
    const fallback = { url: 'http://alb.internal', host: undefined, pool: undefined }
    expect(settingsOf({ fallback }).defaults.fallback).toMatchObject({ preserveHost: false, pool: {} })
  })

  test('a fallback has its own, else those of its service', () => {
    const { services } = settingsOf({
      fallback: { url: 'https://alb.internal', pool: { connect: {} } },
      services: { 'a.b': {}, 'c.d': { fallback: 'https://other.internal' } },
    })
    expect(services.get('a.b')?.fallback?.pool).toEqual({ connect: {} })
    expect(services.get('c.d')?.fallback?.pool).toEqual({})
  })

  test('more than one call on a connection is warned of', async () => {
    const warned = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve))
    settingsOf({ pool: { pipelining: 2 } })
    const { name, code, message } = await warned
    expect([name, code]).toEqual(['OnehopWarning', 'ONEHOP_PIPELINING'])
    expect(message).toContain('pool.pipelining')
  })
})

describe('names', () => {
  const namespaces = ['shop.local']

  test('a service without its namespace is refused, beside namespaces', () => {
    const error = refusalOf({ namespaces, services: { orders: { port: 1 } } })
    expect(error.message).toBe(
      '[ONEHOP_INVALID_OPTIONS] services.orders: got "orders"; allowed: a host name with its namespace, e.g. "orders.shop.local"',
    )
    expect(settingsOf({ services: { orders: {} } }).services.has('orders')).toBe(true)
    expect(settingsOf({ namespaces: [], services: { orders: {} } }).services.has('orders')).toBe(true)
  })

  test('so are peers', () => {
    expect(refusalOf({ namespaces, zone: { peers: 'cart' } }).message).toContain(
      'zone.peers: got "cart"; allowed: a host name with its namespace, e.g. "cart.shop.local"',
    )
    const services = { 'orders.shop.local': { zone: { peers: 'cart' } } }
    expect(refusalOf({ namespaces, services }).option).toBe('services["orders.shop.local"].zone.peers')
    expect(settingsOf({ namespaces, zone: { peers: 'cart.shop.local' } }).defaults.zone?.peers).toBe(
      'cart.shop.local',
    )
  })

  test.each(['euw1-az1', 'EUW1-AZ1', 'eu-west-1', 'EU-WEST-1B', ' eu-west-1b', ''])(
    '%j is no zone',
    (own) => {
      expect(refusalOf({ zone: { own } }).option).toBe('zone.own')
    },
  )

  test.each(['eu-west-1b', 'us-gov-west-1a', 'us-west-2-lax-1a', 'us-east-1-wl1-bos-wlz-1', 'a', 'rack-7'])(
    '%j is a zone',
    (own) => {
      expect(settingsOf({ zone: { own } }).defaults.zone?.own).toBe(own)
    },
  )

  test.each([
    'Host',
    'te',
    'Content-Type',
    'authorization',
    'idempotency-key',
    'x deadline',
    'x-é',
    ':path',
    '',
  ])('%j is no header for deadlines', (deadlineHeader) => {
    expect(refusalOf({ deadlineHeader }).message).toContain(
      'a name for a header of its own, e.g. "x-deadline-ms"',
    )
  })

  test('nor can keys be in headers that cannot be', () => {
    for (const header of ['x user', 'x-user:', '']) {
      const { option } = refusal(() => consistentHash({ header }))
      expect(option).toBe('header')
    }
  })
})

describe('AttemptsExhaustedError', () => {
  const refused = (place: string): Error =>
    Object.assign(new Error(`connect ECONNREFUSED ${place}`), { code: 'ECONNREFUSED' })
  const refusedBy = (upstream: string, tier: 0 | 1 = 0) =>
    ({ upstream, tier, outcome: { kind: 'connect-error', error: refused(upstream) } }) as const

  test('says nothing twice, and marks the attempt of the load balancer', () => {
    const attempts = [refusedBy('10.0.1.1:80'), refusedBy('10.0.1.2:80'), refusedBy('alb.internal:80', 1)]
    expect(new AttemptsExhaustedError('a.b', 'no attempts left', attempts, undefined).message).toBe(
      '[ONEHOP_ATTEMPTS_EXHAUSTED] a.b: 3 attempts failed, no attempts left (10.0.1.1:80, 10.0.1.2:80, load balancer alb.internal:80: connect ECONNREFUSED)',
    )
  })

  test('lists different failures one by one, and counts those of the same place', () => {
    const attempts = [
      refusedBy('[::1]:80'),
      refusedBy('[::1]:80'),
      {
        upstream: '10.0.1.2:80',
        tier: 0,
        outcome: { kind: 'response', status: 503, latencyMs: 4.2, retryAfterMs: undefined },
      },
      {
        upstream: '10.0.1.2:80',
        tier: 0,
        outcome: { kind: 'timeout', phase: 'headers', latencyMs: 250, error: new Error() },
      },
    ] as const
    expect(new AttemptsExhaustedError('a.b', 'why', attempts, undefined).message).toBe(
      '[ONEHOP_ATTEMPTS_EXHAUSTED] a.b: 4 attempts failed, why ([::1]:80 (2 times): connect ECONNREFUSED; 10.0.1.2:80: 503 in 4 ms; 10.0.1.2:80: no headers in 250 ms)',
    )
  })

  test('an error without a message is shown by its code', () => {
    const error = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
    const attempts = [{ upstream: 'alb:80', tier: 1, outcome: { kind: 'connect-error', error } }] as const
    expect(new AttemptsExhaustedError('a.b', 'why', attempts, error).message).toContain(
      '(load balancer alb:80: connect: ECONNREFUSED)',
    )
  })
})
