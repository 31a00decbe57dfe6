import fc, { type Arbitrary } from 'fast-check'
import { expect, test } from 'vitest'
import { ResolutionFailedError } from '../../src/core/errors.ts'
import { validateSnapshot } from '../../src/discovery/guard/validate-snapshot.ts'
import { taskEndpoint, type Snapshot } from '../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../src/discovery/service-name.ts'
import { NAME } from './dns-corpus.ts'
import { fuzz } from './fuzz.ts'

const SERVICE = parseServiceName(NAME, ['shop.local'])

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
})
const odd: Arbitrary<unknown> = fc.oneof(
  anything,
  fc.constantFrom<unknown>(Symbol('odd'), () => {}, Number.NaN, -0, new Proxy([], {}), new Date(Number.NaN)),
)

const endpoint = fc.oneof(
  { weight: 3, arbitrary: fc.ipV4().map((address) => taskEndpoint(address, { port: 8080 })) },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        address: fc.oneof(fc.ipV4(), odd),
        port: fc.oneof(fc.constant(undefined), fc.nat(65_535), fc.double(), odd),
        weight: fc.oneof(fc.double(), odd),
        tier: fc.oneof(fc.constantFrom(0, 1, 2), odd),
        zone: odd,
        id: odd,
        attributes: odd,
        origin: odd,
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: odd },
)

const snapshot = fc.record(
  {
    service: fc.oneof(fc.constant(SERVICE), odd),
    endpoints: fc.oneof(
      { weight: 5, arbitrary: fc.array(endpoint, { maxLength: 4 }) },
      { weight: 1, arbitrary: odd },
    ),
    complete: fc.oneof(fc.boolean(), odd),
    expiresAt: fc.oneof(fc.nat(100_000), fc.double(), odd),
    source: fc.oneof(fc.string(), odd),
    revision: odd,
  },
  { requiredKeys: [] },
)

test('anything at all is a snapshot that can be used, or a ResolutionFailedError', () => {
  let accepted = 0
  fuzz(
    60_000,
    fc.property(fc.oneof({ weight: 9, arbitrary: snapshot }, { weight: 1, arbitrary: odd }), (value) => {
      try {
        const checked = validateSnapshot(value as Snapshot, SERVICE, 0)
        expect(checked).toBe(value)
        for (const { address, weight, port } of checked.endpoints) {
          expect(typeof address === 'string' && weight > 0 && Number.isFinite(weight)).toBe(true)
          expect(port === undefined || (Number.isInteger(port) && port > 0 && port < 65_536)).toBe(true)
        }
        accepted++
      } catch (error) {
        expect(error).toBeInstanceOf(ResolutionFailedError)
      }
    }),
  )
  expect(accepted).toBeGreaterThan(1000)
})
