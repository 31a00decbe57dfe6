import { createServer } from 'node:http'
import { InvalidOptionsError } from 'onehop'
import { register, type RegisterOptions } from 'onehop/ecs'
import { expect, test } from 'vitest'

const SERVICE = { service: 'srv-abc123', port: 8080 }
const PLACE = { id: 'one', ipv4: '10.0.0.1' }

/** The message for options that are refused at once. */
function refusal(options: unknown): string {
  try {
    void register(options as RegisterOptions).deregister()
  } catch (error) {
    if (error instanceof InvalidOptionsError) return error.message.replace('[ONEHOP_INVALID_OPTIONS] ', '')
    throw error
  }
  return 'accepted'
}

test.each<[unknown, RegExp]>([
  [{}, /^services: got undefined/],
  [{ services: [] }, /^services: got \[\]; allowed: at least one service/],
  [{ services: { ...SERVICE, service: 'orders' } }, /^services\.service: got "orders"; .*srv-/],
  [
    { services: { ...SERVICE, service: 'arn:aws:ecs:eu-west-1:111122223333:service/x' } },
    /^services\.service/,
  ],
  [
    { services: [{ ...SERVICE, port: 0 }] },
    /^services\[0\]\.port: got 0; allowed: an integer from 1 to 65535/,
  ],
  [{ services: { ...SERVICE, port: '8080' } }, /^services\.port: got "8080"; allowed: a port/],
  [{ services: { ...SERVICE, port: {} } }, /^services\.port: got \{\}; allowed: a port/],
  [{ services: { service: 'srv-abc123' }, env: {} }, /^services\.port: got undefined; .*PORT must be set/],
  [{ services: { service: 'srv-abc123' }, env: { PORT: 'x' } }, /^PORT: got "x"/],
  [{ services: { ...SERVICE, id: 'a b' } }, /^services\.id: got "a b"; allowed: 1 to 64/],
  [{ services: { ...SERVICE, id: 'x'.repeat(65) } }, /^services\.id/],
  [{ services: { ...SERVICE, weight: 0 } }, /^services\.weight: got 0; allowed: a number above 0/],
  [
    { services: { ...SERVICE, family: 'v4' } },
    /^services\.family: got "v4"; allowed: "ipv4", "ipv6", "dual"/,
  ],
  [
    { services: { ...SERVICE, attributes: { AWS_INSTANCE_PORT: '1' } } },
    /AWS_INSTANCE_PORT: got "1"; allowed: no key/,
  ],
  [{ services: { ...SERVICE, attributes: { ECS_SERVICE_NAME: 'x' } } }, /ECS_SERVICE_NAME/],
  [{ services: { ...SERVICE, attributes: { A: 1 } } }, /^services\.attributes\.A: got 1; allowed: a string/],
  [{ services: { ...SERVICE, attributes: { A: 'x'.repeat(1_025) } } }, /at most 1024 characters/],
  [{ services: { ...SERVICE, attributes: { 'a b': 'x' } } }, /printable ASCII/],
  [{ services: { ...SERVICE, attributes: { team: 'Zürich' } } }, /attributes\.team: .*printable ASCII/],
  [{ services: { ...SERVICE, attributes: { team: ' a' } } }, /attributes\.team: .*printable ASCII/],
  [{ services: SERVICE, place: { ...PLACE, zone: 'zürich' } }, /^place\.zone/],
  [
    {
      services: {
        ...SERVICE,
        attributes: Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`K${i}`, 'x'])),
      },
    },
    /at most 30 attributes/,
  ],
  [
    {
      services: [
        { ...SERVICE, id: 'a' },
        { ...SERVICE, id: 'a' },
      ],
    },
    /^services\[1\]\.id: got "a"/,
  ],
  [{ services: SERVICE, place: {} }, /^place\.ipv4: got undefined; allowed: an IPv4 address; or place\.ipv6/],
  [{ services: SERVICE, place: { ipv4: '::1' } }, /^place\.ipv4: got "::1"/],
  [{ services: SERVICE, place: { ...PLACE, region: 'mars' } }, /^place\.region/],
  [{ services: SERVICE, place: { ...PLACE, ip: '1' } }, /^place\.ip: no such option/],
  [
    { services: SERVICE, ready: 'health' },
    /^ready: got "health"; allowed: a path, e\.g\. "\/health", or a function/,
  ],
  [{ services: SERVICE, readiness: { fails: 0 } }, /^readiness\.fails/],
  [{ services: SERVICE, readiness: { every: 1 } }, /^readiness\.every: no such option; did you mean everyMs/],
  [{ services: SERVICE, verifyMs: 0 }, /^verifyMs/],
  [{ services: SERVICE, cloudMap: { revisionMs: 1 } }, /^cloudMap\.revisionMs: no such option/],
  [{ services: SERVICE, signal: {} }, /^signal/],
  [{ services: SERVICE, random: {} }, /^random/],
  [{ services: SERVICE, service: 'x' }, /^service: no such option; did you mean services/],
])('%j', (options, message) => {
  expect(refusal({ place: PLACE, ...(options as object) })).toMatch(message)
})

test('secrets are not shown', () => {
  const cloudMap = { credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 7 } }
  expect(refusal({ services: SERVICE, place: PLACE, cloudMap })).not.toContain('AKIA')
})

test('every option may be undefined, and a bad PORT does not matter where no port is asked of it', () => {
  const options = Object.fromEntries(
    [
      'ready',
      'readiness',
      'cloudMap',
      'registerMs',
      'operationMs',
      'verifyMs',
      'signal',
      'clock',
      'random',
    ].map((name) => [name, undefined]),
  )
  const service = { ...SERVICE, id: undefined, attributes: undefined, weight: undefined, family: undefined }
  expect(refusal({ ...options, services: service, place: PLACE, env: { PORT: 'x' } })).toBe('accepted')
})

test('a server may be given before it listens; deregister() forgets it', async () => {
  const server = createServer()
  // Node has one of its own.
  const before = server.listenerCount('listening')
  const registration = register({ services: { service: 'srv-abc123', port: server }, place: PLACE })
  await new Promise((resolve) => setImmediate(resolve))
  expect(server.listenerCount('listening')).toBe(before + 1)
  expect(await registration.deregister()).toBe('done')
  expect(server.listenerCount('listening')).toBe(before)
})

test('deregister() refuses what is not a time, at once', () => {
  const registration = register({ services: SERVICE, place: PLACE })
  expect(() => registration.deregister({ withinMs: Number.NaN })).toThrow(InvalidOptionsError)
  return registration.deregister()
})
