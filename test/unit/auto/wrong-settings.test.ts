/** What is printed of settings that cannot be used: the variable, what was given, what is allowed, and no secret. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/auto/config-file.ts'
import { isDisabled, readEnvironment } from '../../../src/auto/environment.ts'
import { start } from '../../../src/auto/start.ts'
import { messageOf, WrongSetting } from '../../../src/auto/wrong-setting.ts'

const folder = mkdtempSync(join(tmpdir(), 'onehop-auto-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fileOf(name: string, content: string): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}

function messageFrom(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(WrongSetting)
    return messageOf(error)
  }
  throw new Error('nothing was thrown')
}

test.each([
  [{ ONEHOP_DISCOVERY: 'dsn' }, 'ONEHOP_DISCOVERY: got "dsn"; allowed: auto, dns, api'],
  [
    { ONEHOP_INTERCEPT: 'fetch,none' },
    'ONEHOP_INTERCEPT: got "fetch,none"; allowed: fetch, http or fetch,http; or none',
  ],
  [{ ONEHOP_ON_ERROR: 'ignore' }, 'ONEHOP_ON_ERROR: got "ignore"; allowed: stop, continue'],
  [{ ONEHOP_NAMESPACES: 'shop local' }, 'ONEHOP_NAMESPACES: namespaces[0]: got "shop local"; allowed: '],
  [{ ONEHOP_DNS_SERVERS: 'ten.0.0.2' }, 'ONEHOP_DNS_SERVERS: dns.servers[0]: got "ten.0.0.2"; allowed: '],
  [{ ONEHOP_FALLBACKS: 'orders=http://alb' }, 'ONEHOP_FALLBACKS: services.orders: got "orders"; allowed: '],
])('%j', (variables, message) => {
  const environment = (): boolean =>
    start(readEnvironment({ ONEHOP_NAMESPACES: 'shop.local', ...variables }), {})
  expect(messageFrom(environment)).toContain(message)
})

test('ONEHOP_DISABLED has four words', () => {
  expect(messageFrom(() => isDisabled({ ONEHOP_DISABLED: 'yes' }))).toBe(
    'ONEHOP_DISABLED: got "yes"; allowed: true, false, 1, 0',
  )
})

describe('files', () => {
  test.each([
    ['options.json', '{ "port": 80 }'],
    ['byte-order-mark.JSON', '\uFEFF{ "port": 80 }'],
    ['options.mjs', 'export default { port: 80 }'],
    ['options.cjs', 'module.exports = { port: 80 }'],
    ['compiled.cjs', 'exports.__esModule = true; exports.default = { port: 80 }'],
  ])('%s has options', (name, content) => {
    expect(readConfig(fileOf(name, content))).toEqual({ port: 80 })
  })

  test.each([
    ['broken.json', '{ "password": "hunter2" oops', 'it is not valid JSON'],
    ['list.json', '[]', 'its default export is []; it must be an object of options'],
    ['none.mjs', 'export const options = {}', 'its default export is undefined; it must be'],
    ['function.cjs', 'module.exports = () => ({})', 'its default export is a function; it must be'],
    ['later.mjs', 'export default Promise.resolve({})', 'its default export is a promise; it must be'],
    ['awaits.mjs', 'await 1\nexport default {}', 'a module with a top-level await cannot be read'],
    [
      'throws.cjs',
      'throw new Error("no database at postgres://me:hunter2@db")',
      'no database at postgres://***@db',
    ],
    ['syntax.mjs', 'export default {', 'Unexpected'],
    ['nothing.cjs', 'throw undefined', 'undefined was thrown'],
    ['text.cjs', 'throw "postgres://me:hunter2@db"', '"postgres://***@db" was thrown'],
  ])('%s is refused', (name, content, reason) => {
    const file = fileOf(name, content)
    const message = messageFrom(() => readConfig(file))
    expect(message).toContain(`ONEHOP_CONFIG: cannot use "${file}": ${reason}`)
    expect(message).not.toMatch(/hunter2|\n/)
  })

  test('one that is not there is named', () => {
    expect(messageFrom(() => readConfig('/nowhere.json'))).toBe(
      'ONEHOP_CONFIG: cannot use "/nowhere.json": ENOENT: no such file or directory, open \'/nowhere.json\'',
    )
  })

  test.each([
    [{ retry: { attempts: 0 } }, 'retry.attempts: got 0; allowed: an integer from 1'],
    [{ namespace: ['x'] }, 'namespace: no such option; did you mean namespaces?'],
    [{ mode: 'none' }, 'mode: got "none"; allowed: "route" or "observe"'],
    [{ fetch: 'yes' }, 'fetch: got "yes"; allowed: true or false'],
  ])('their options are checked: %j', (options, message) => {
    const environment = readEnvironment({ ONEHOP_CONFIG: 'onehop.json' })
    expect(messageFrom(() => start(environment, options as object))).toContain(
      `ONEHOP_CONFIG ("onehop.json"): ${message}`,
    )
  })
})
