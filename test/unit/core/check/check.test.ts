import { describe, expect, test } from 'vitest'
import {
  checkArray,
  checkBoolean,
  checkKeys,
  checkMs,
  checkNumber,
  checkOneOf,
  checkPort,
  checkRecord,
  checkString,
  keyPath,
} from '../../../../src/core/check/check.ts'
import { checkFunction } from '../../../../src/core/check/functions.ts'
import { InvalidOptionsError } from '../../../../src/core/errors.ts'

function refusal(run: () => unknown): { option: string; message: string } {
  try {
    run()
  } catch (error) {
    if (error instanceof InvalidOptionsError) return { option: error.option, message: error.message }
    throw error
  }
  throw new Error('nothing was refused')
}

describe('what is right comes back as it is', () => {
  test.each([
    [checkNumber('n', 1.5, { min: 0, max: 2 }), 1.5],
    [checkNumber('n', -3), -3],
    [checkMs('n', 0), 0],
    [checkPort('n', 65_535), 65_535],
    [checkString('n', 'text'), 'text'],
    [checkBoolean('n', false), false],
    [checkOneOf('n', 'b', ['a', 'b']), 'b'],
    [checkOneOf('n', false, [false, 'a']), false],
  ])('%j', (got, wanted) => expect(got).toBe(wanted))

  test('records, arrays and functions', () => {
    const record = { a: 1 }
    expect(checkRecord('r', record)).toBe(record)
    expect(checkRecord('r', Object.create(null))).toEqual({})
    expect(checkKeys('r', record, ['a', 'b'])).toBe(record)
    expect(checkArray('r', ['x', 'y'], 'texts', checkString)).toEqual(['x', 'y'])
    expect(checkFunction('r', keyPath, 'a function')).toBe(keyPath)
  })
})

describe('what is wrong is named with its path and what is allowed', () => {
  test.each([
    [
      () => checkNumber('dns.timeoutMs', -1, { min: 0, max: 10, unit: 'ms' }),
      'dns.timeoutMs',
      'from 0 to 10',
    ],
    [() => checkNumber('n', Number.NaN), 'n', 'a number'],
    [() => checkNumber('n', Number.POSITIVE_INFINITY), 'n', 'a number'],
    [() => checkNumber('n', '5'), 'n', 'got "5"'],
    [() => checkNumber('n', 1.5, { integer: true, min: 1 }), 'n', 'an integer from 1'],
    [() => checkNumber('n', 9, { max: 8 }), 'n', 'a number up to 8'],
    [() => checkMs('n', -1), 'n', 'a number of ms from 0 to 86400000'],
    [() => checkMs('n', 86_400_001), 'n', 'a number of ms'],
    [() => checkPort('n', 0), 'n', 'an integer from 1 to 65535'],
    [() => checkString('n', ''), 'n', 'a non-empty string'],
    [() => checkString('n', undefined, 'a host name'), 'n', 'got undefined; allowed: a host name'],
    [() => checkBoolean('n', 'yes'), 'n', 'true or false'],
    [() => checkOneOf('n', 'c', ['a', 'b']), 'n', '"a", "b"'],
    [() => checkRecord('n', []), 'n', 'a plain object'],
    [() => checkRecord('n', null), 'n', 'a plain object'],
    [() => checkRecord('', new Map()), 'options', 'a plain object'],
    [() => checkKeys('dns', { servres: [] }, ['servers', 'tries']), 'dns.servres', 'known: servers, tries'],
    [() => checkKeys('', { 'a b': 1 }, ['c']), '["a b"]', 'known: c'],
    [() => checkArray('n', 'x', 'an array of texts', checkString), 'n', 'an array of texts'],
    [() => checkArray('n', ['x', 1], 'texts', checkString), 'n[1]', 'a non-empty string'],
    [() => checkFunction('n', {}, 'a function'), 'n', 'a function'],
  ])('%#', (run, option, message) => {
    const refused = refusal(run)
    expect(refused.option).toBe(option)
    expect(refused.message).toContain(message)
  })
})

test('a key that is not an identifier is quoted in its path', () => {
  expect(keyPath('services', 'orders.shop.local')).toBe('services["orders.shop.local"]')
  expect(keyPath('dns', 'servers')).toBe('dns.servers')
  expect(keyPath('', 'dns')).toBe('dns')
})
