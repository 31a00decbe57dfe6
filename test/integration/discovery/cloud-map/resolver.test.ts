import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { ClosedError, InvalidOptionsError, ResolutionFailedError } from '../../../../src/core/errors.ts'
import { CloudMapError } from '../../../../src/discovery/cloud-map/error.ts'
import type { CloudMapOptions } from '../../../../src/discovery/cloud-map/options.ts'
import { cloudMapResolver } from '../../../../src/discovery/cloud-map/resolver.ts'
import type { Snapshot } from '../../../../src/discovery/endpoint.ts'
import type { Resolver } from '../../../../src/discovery/resolver.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { apiError, apiServer, instances, type ApiServer } from '../../../support/cloud-map-server.ts'
import { openSockets } from '../../../support/open-sockets.ts'

const SERVICE = parseServiceName('orders.shop.local', ['shop.local'])
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
const START_MS = 5000

function resolverFor({ endpoint }: ApiServer, options: CloudMapOptions = {}, chance = 0.5): Resolver {
  const clock = manualClock(START_MS)
  return cloudMapResolver({
    region: 'eu-west-1',
    credentials: KEYS,
    endpoint,
    clock,
    random: { next: () => chance },
    ...options,
  })
}

function resolveBy(server: ApiServer, options: CloudMapOptions = {}, chance = 0.5): Promise<Snapshot> {
  return resolverFor(server, options, chance).resolve(SERVICE, new AbortController().signal)
}

async function failure(promise: Promise<unknown>): Promise<CloudMapError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CloudMapError)
  expect(error).toBeInstanceOf(ResolutionFailedError)
  return error as CloudMapError
}

describe('what is asked', () => {
  test('DiscoverInstances, failing open on health, for as many as there may be', async () => {
    const server = await apiServer(instances([]))
    await resolveBy(server)
    expect(server.calls).toHaveLength(1)
    const [call] = server.calls
    expect(call?.target).toBe('Route53AutoNaming_v20170314.DiscoverInstances')
    expect(call?.headers.host).toMatch(/^127\.0\.0\.1:/)
    expect(call?.headers.authorization).toMatch(/AKIDEXAMPLE\/\d+\/eu-west-1\/servicediscovery\//)
    expect(call?.input).toEqual({
      NamespaceName: 'shop.local',
      ServiceName: 'orders',
      MaxResults: 1000,
      HealthStatus: 'HEALTHY_OR_ELSE_ALL',
    })
  })

  test('with the parameters and the account of the options', async () => {
    const server = await apiServer(instances([]))
    await resolveBy(server, {
      queryParameters: { version: '2' },
      optionalParameters: { color: 'blue' },
      ownerAccount: '123456789012',
    })
    expect(server.calls[0]?.input).toMatchObject({
      QueryParameters: { version: '2' },
      OptionalParameters: { color: 'blue' },
      OwnerAccount: '123456789012',
    })
  })

  test('with credentials from a function, and the session token they may have', async () => {
    const server = await apiServer(instances([]))
    const credentials = vi.fn(() => Promise.resolve({ ...KEYS, sessionToken: 'token' }))
    const resolver = resolverFor(server, { credentials })
    await resolver.resolve(SERVICE, new AbortController().signal)
    await resolver.resolve(SERVICE, new AbortController().signal)
    expect(server.calls[1]?.headers['x-amz-security-token']).toBe('token')
    expect(credentials).toHaveBeenCalledTimes(1)
  })
})

describe('failures say what to change', () => {
  test.each([
    [
      400,
      'AccessDeniedException',
      'denied',
      'AccessDeniedException: as the test says); the role of this task needs servicediscovery:DiscoverInstances',
    ],
    [403, 'AccessDenied', 'denied', 'needs servicediscovery:DiscoverInstances'],
    [
      400,
      'UnrecognizedClientException',
      'denied',
      'does not accept the credentials (UnrecognizedClientException: as the test says)',
    ],
    [400, 'ExpiredTokenException', 'denied', 'does not accept the credentials'],
    [400, 'NamespaceNotFound', 'unknown-name', 'Cloud Map knows no namespace "shop.local"'],
    [400, 'ServiceNotFound', 'unknown-name', 'Cloud Map knows no service "orders" in namespace "shop.local"'],
    [400, 'InvalidInput', 'invalid-request', 'InvalidInput: as the test says'],
    [400, 'RequestLimitExceeded', 'outage', 'RequestLimitExceeded: as the test says'],
    [500, 'InternalFailure', 'outage', 'InternalFailure: as the test says'],
    [503, 'ServiceUnavailable', 'outage', 'ServiceUnavailable'],
  ])('%i %s: %s', async (status, code, kind, told) => {
    const server = await apiServer(apiError(status, code))
    const error = await failure(resolveBy(server))
    expect(error.failure).toBe(kind)
    expect(error.code).toBe('ONEHOP_RESOLUTION_FAILED')
    expect(error.message).toContain(`[ONEHOP_RESOLUTION_FAILED] orders.shop.local: `)
    expect(error.message).toContain(told)
    expect(error.cause).toBeInstanceOf(Error)
    // One retry and no more: the cache has its own, with backoff.
    expect(server.calls.length).toBeLessThanOrEqual(2)
  })

  test('a server that is not there is an outage', async () => {
    const error = await failure(resolveBy({ endpoint: 'http://127.0.0.1:1', calls: [], connections: 0 }))
    expect(error).toMatchObject({ failure: 'outage' })
    expect(error.message).toContain('ECONNREFUSED')
  })

  test('an answer that is not JSON is an outage', async () => {
    const server = await apiServer((response) => response.end('<html>'))
    expect(await failure(resolveBy(server))).toMatchObject({ failure: 'outage' })
  })

  test('a name in no namespace fails without a call', async () => {
    const server = await apiServer(instances([]))
    const failed = resolverFor(server).resolve(
      parseServiceName('www.app.io', []),
      new AbortController().signal,
    )
    const error = await failure(failed)
    expect(error.failure).toBe('unknown-name')
    expect(error.message).toContain('www.app.io: lies in none of the namespaces')
    expect(server.calls).toEqual([])
  })

  describe('without what the SDK needs', () => {
    const nothing = {
      AWS_REGION: undefined,
      AWS_DEFAULT_REGION: undefined,
      AWS_PROFILE: undefined,
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_WEB_IDENTITY_TOKEN_FILE: undefined,
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: undefined,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: undefined,
      AWS_CONFIG_FILE: '/dev/null/none',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null/none',
      AWS_EC2_METADATA_DISABLED: 'true',
    }
    const bare = (options: CloudMapOptions): Promise<CloudMapError> => {
      for (const [name, value] of Object.entries(nothing)) vi.stubEnv(name, value)
      return failure(cloudMapResolver(options).resolve(SERVICE, new AbortController().signal)).finally(() =>
        vi.unstubAllEnvs(),
      )
    }

    test('no region', async () => {
      const error = await bare({ credentials: KEYS })
      expect(error.failure).toBe('no-credentials')
      expect(error.message).toContain('no AWS region (Region is missing); set AWS_REGION or cloudMap.region')
    })

    test('no credentials', async () => {
      const error = await bare({ region: 'eu-west-1', endpoint: 'http://127.0.0.1:1' })
      expect(error.failure).toBe('no-credentials')
      expect(error.message).toContain('give the task a role, set cloudMap.credentials')
    })

    test('credentials that fail', async () => {
      const credentials = (): Promise<never> => Promise.reject(new Error('vault sealed'))
      const error = await bare({ region: 'eu-west-1', endpoint: 'http://127.0.0.1:1', credentials })
      expect(error.failure).toBe('no-credentials')
      expect(error.message).toContain('no AWS credentials (vault sealed)')
    })
  })
})

describe('an end at once', () => {
  const reason = new Error('the caller went away')

  test('by abort, while the API keeps silent', async () => {
    const abort = new AbortController()
    const server = await apiServer(() => abort.abort(reason))
    const failed = resolverFor(server).resolve(SERVICE, abort.signal)
    await expect(failed).rejects.toBe(reason)
  })

  test('by abort, while credentials are waited for', async () => {
    const abort = new AbortController()
    const server = await apiServer(instances([]))
    const credentials = (): Promise<never> => {
      setTimeout(() => abort.abort(reason), 5)
      return new Promise(() => {})
    }
    await expect(resolverFor(server, { credentials }).resolve(SERVICE, abort.signal)).rejects.toBe(reason)
  })

  test('by abort, before anything is begun', async () => {
    const server = await apiServer(instances([]))
    await expect(resolverFor(server).resolve(SERVICE, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(server.calls).toEqual([])
  })

  test('after 10 s at most, whatever is silent', async () => {
    const clock = manualClock()
    const server = await apiServer(instances([]))
    const resolver = cloudMapResolver({
      region: 'eu-west-1',
      endpoint: server.endpoint,
      credentials: () => new Promise(() => {}),
      clock,
    })
    const failed = failure(resolver.resolve(SERVICE, new AbortController().signal))
    await clock.advance(10_000)
    expect(await failed).toMatchObject({ failure: 'outage' })
    expect(clock.pendingTimers).toBe(0)
  })

  test('after close(): no connection is left, and no further call is made', async () => {
    const server = await apiServer(instances([]))
    const resolver = resolverFor(server)
    await resolver.resolve(SERVICE, new AbortController().signal)
    await resolver.close?.()
    await expect(resolver.resolve(SERVICE, new AbortController().signal)).rejects.toThrow(ClosedError)
    expect(server.calls).toHaveLength(1)
    await expect.poll(openSockets).toEqual([])
  })
})

/** @param input what is written to it when that is there */
async function runScript(script: string, input?: Promise<string>): Promise<string[]> {
  const running = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  void input?.then((text) => running.child.stdin?.end(text))
  const { stdout } = await running
  return stdout.trim().split('\n')
}

test('neither a refused connection nor an abort leaves a timer or a socket in the SDK', async () => {
  const asked = Promise.withResolvers<string>()
  const silent = await apiServer(() => asked.resolve('asked'))
  const told = await runScript(
    `
    const { once } = await import('node:events')
    const { subscribe } = await import('node:diagnostics_channel')
    const sockets = []
    subscribe('net.client.socket', ({ socket }) => sockets.push(socket))
    const { cloudMapResolver } = await import('./src/discovery/cloud-map/resolver.ts')
    const service = { host: 'a.b', service: 'a', namespace: 'b' }
    const credentials = { accessKeyId: 'x', secretAccessKey: 'y' }
    const ask = async (endpoint, signal) => {
      const resolver = cloudMapResolver({ region: 'eu-west-1', endpoint, credentials })
      await resolver.resolve(service, signal).catch((error) => console.log(error.message))
      await resolver.close()
    }
    await ask('http://127.0.0.1:1', new AbortController().signal)
    const abort = new AbortController()
    void once(process.stdin, 'data').then(() => {
      process.stdin.destroy()
      abort.abort(new Error('gone'))
    })
    await ask('${silent.endpoint}', abort.signal)
    await new Promise((resolve) => setTimeout(resolve, 20))
    console.log(process.getActiveResourcesInfo().filter((name) => /Timeout|TCP/.test(name)).length)
    console.log(sockets.length > 1, sockets.every(({ destroyed }) => destroyed))`,
    asked.promise,
  )
  expect(told).toEqual([expect.stringContaining('ECONNREFUSED'), 'gone', '0', 'true true'])
  expect(silent.calls).toHaveLength(1)
})

test('importing the resolvers does not load the SDK', async () => {
  const told = await runScript(`
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ resolve(name, context, next) { loaded.push(name); return next(name, context) } })
    const { cloudMapResolver } = await import('./src/discovery/cloud-map/resolver.ts')
    await import('./src/discovery/auto/resolver.ts')
    const credentials = () => Promise.reject(new Error('none'))
    const resolver = cloudMapResolver({ region: 'eu-west-1', credentials })
    console.log(loaded.filter((name) => /aws-sdk|smithy/.test(name)).length)
    const service = { host: 'a.b', service: 'a', namespace: 'b' }
    await resolver.resolve(service, new AbortController().signal).catch(() => {})
    console.log(loaded.includes('@aws-sdk/client-servicediscovery'))`)
  expect(told).toEqual(['0', 'true'])
})

test.each([
  [{ regoin: 'eu-west-1' }, 'cloudMap.regoin', 'known: region'],
  [{ region: '' }, 'cloudMap.region', 'a region'],
  [{ region: 'eu-west-1b' }, 'cloudMap.region', 'a region, e.g. "eu-west-1"'],
  [{ region: 'EU-WEST-1' }, 'cloudMap.region', 'a region'],
  [{ region: 'Ireland' }, 'cloudMap.region', 'a region'],
  [{ endpoint: 'cloudmap' }, 'cloudMap.endpoint', 'an http or https URL'],
  [{ endpoint: 'ftp://x' }, 'cloudMap.endpoint', 'an http or https URL'],
  [{ endpoint: 'http://me:hush@127.0.0.1:1' }, 'cloudMap.endpoint', 'without credentials'],
  [{ credentials: 'x' }, 'cloudMap.credentials', 'a function that gives them, or a plain object'],
  [{ credentials: { secretAccessKey: 'hush' } }, 'cloudMap.credentials.accessKeyId', 'a non-empty string'],
  [
    { credentials: { accessKeyId: 'x', secretAccessKey: 5 } },
    'cloudMap.credentials.secretAccessKey',
    'a number that is not shown; allowed: a non-empty string',
  ],
  [{ revisionMs: -5 }, 'cloudMap.revisionMs', 'a number of ms from 1'],
  [{ queryParameters: { a: 1 } }, 'cloudMap.queryParameters.a', 'a non-empty string'],
  [{ optionalParameters: [] }, 'cloudMap.optionalParameters', 'a plain object'],
  [{ ownerAccount: '12' }, 'cloudMap.ownerAccount', 'twelve digits'],
])('%j is refused', (options, option, told) => {
  const make = (): unknown => cloudMapResolver(options as unknown as CloudMapOptions)
  expect(make).toThrow(InvalidOptionsError)
  expect(make).toThrow(expect.objectContaining({ option, message: expect.stringContaining(told) as string }))
})

test.each(['eu-west-1', 'us-gov-east-1', 'us-isob-east-1', 'eusc-de-east-1', 'cn-north-1', 'ap-southeast-7'])(
  '%s is a region',
  (region) => {
    expect(cloudMapResolver({ region })).toHaveProperty('resolve')
  },
)

test("a server of one's own has regions of its own", () => {
  expect(cloudMapResolver({ region: 'local', endpoint: 'http://127.0.0.1:1' })).toHaveProperty('resolve')
})
