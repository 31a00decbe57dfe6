/** docs/ecs/registration.md names every option, failure and event: the keys come from the code's own messages. */
import { readFileSync } from 'node:fs'
import { eventNames, InvalidOptionsError } from 'onehop'
import { register, type RegisterOptions, type RegistrationFailure } from 'onehop/ecs'
import { expect, test } from 'vitest'

const document = readFileSync(new URL('../../../../docs/ecs/registration.md', import.meta.url), 'utf8')

function keysOf(options: unknown): readonly string[] {
  try {
    void register(options as RegisterOptions).deregister()
  } catch (error) {
    if (error instanceof InvalidOptionsError)
      return /known: ([\w, ]+)/.exec(error.message)?.[1]?.split(', ') ?? []
    throw error
  }
  throw new Error('register accepted an option that does not exist')
}

const service = { service: 'srv-abc123', port: 8080 }

test.each([
  ['register', { noSuchOption: 1 }],
  ['a service', { services: { ...service, noSuchOption: 1 } }],
  ['readiness', { services: service, readiness: { noSuchOption: 1 } }],
  ['place', { services: service, place: { noSuchOption: 1 } }],
  ['cloudMap', { services: service, cloudMap: { noSuchOption: 1 } }],
])('every option of %s', (_name, options) => {
  const known = keysOf(options)
  expect(known.length).toBeGreaterThan(2)
  expect(known.filter((key) => !new RegExp(`[\`. ,{]${key}[\`, }]`).test(document))).toEqual([])
})

test('every event', () => {
  const ours = eventNames.filter((name) => /^onehop:(registration|health)\./.test(name))
  expect(ours.length).toBeGreaterThan(5)
  expect(ours.filter((name) => !document.includes(`\`${name}\``))).toEqual([])
})

const FAILURES: Readonly<Record<RegistrationFailure, true>> = {
  ...{ denied: true, 'no-credentials': true, 'unknown-service': true, invalid: true, conflict: true },
  ...{ full: true, outage: true, 'operation-failed': true, 'not-ready': true, cancelled: true },
}

test('every failure', () => {
  expect(Object.keys(FAILURES).filter((failure) => !document.includes(`| \`${failure}\` |`))).toEqual([])
})
