/** A POST that was sent is sent again only with an `Idempotency-Key` that says something: a name alone is no key. */
import type { ClientOptions } from 'onehop'
import { Headers, type Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { silentHandler } from '../../../support/handlers.ts'
import { resources } from '../../../support/resources.ts'

const { keep, servers } = resources()

const NAMES = ['idempotency-key', 'Idempotency-Key', 'IDEMPOTENCY-KEY']
const forms: Record<string, (name: string, value: unknown) => unknown> = {
  'an object': (name, value) => ({ accept: '*/*', [name]: value }),
  'an object without a prototype': (name, value) =>
    Object.assign(Object.create(null) as object, { [name]: value }),
  'names and values in turn': (name, value) => ['accept', '*/*', name, value],
  'a Map': (name, value) => new Map([['accept', '*/*'] as unknown[], [name, value]] as [string, unknown][]),
  'pairs by an iterator': (name, value) => new Map([[name, value]]).entries(),
  'pairs by a generator': (name, value) =>
    (function* () {
      yield [name, value]
    })(),
}
const nothing: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['an empty string', ''],
  ['white space', ' \t '],
  ['an empty array', []],
  ['an array of nothing', ['', null, ' ']],
  ['the word undefined', 'undefined'],
  ['the word null', 'null'],
]
const keys: [string, unknown][] = [
  ['a string', 'k-1'],
  ['a number', 7],
  ['an array', ['k-1']],
  ['an array that begins with nothing', ['', 'k-1']],
]

/** How often a POST arrives at two tasks that execute it and die before they answer. */
async function executions(
  call: (client: ReturnType<typeof clientOf>) => Promise<unknown>,
  options: ClientOptions = {},
): Promise<number> {
  const tasks = await servers(2, (request) => void request.socket.destroy())
  const client = keep(clientOf(tasks, options))
  await call(client).catch(() => undefined)
  return tasks.flatMap(({ seen }) => seen).length
}

const charge = (headers: unknown): object => ({ method: 'POST', body: '{"charge":100}', headers })

function dispatched(dispatcher: Dispatcher, headers: unknown): Promise<unknown> {
  return new Promise((_resolve, reject) => {
    const options = { origin: ORIGIN, path: '/', ...charge(headers) } as Dispatcher.DispatchOptions
    dispatcher.dispatch(options, {
      ...silentHandler,
      onResponseError: (_controller, error) => reject(error),
    })
  })
}

describe.each(Object.entries(forms))('headers as %s', (_form, made) => {
  test.each(nothing)('a key that is %s is none: the POST is executed once', async (_what, value) => {
    for (const name of NAMES) {
      expect(await executions((client) => client.request(ORIGIN, charge(made(name, value))))).toBe(1)
    }
    expect(await executions(({ dispatcher }) => dispatched(dispatcher, made('Idempotency-Key', value)))).toBe(
      1,
    )
  })

  test.each(keys)('a key that is %s is one: the POST is sent again', async (_what, value) => {
    for (const name of NAMES) {
      const count = await executions((client) => client.request(ORIGIN, charge(made(name, value))))
      expect(count).toBeGreaterThan(1)
    }
  })
})

describe('fetch', () => {
  const given: Record<string, (value: unknown) => unknown> = {
    'an object': (value) => ({ 'Idempotency-Key': value }),
    pairs: (value) => [['Idempotency-Key', value]],
    Headers: (value) => new Headers({ 'Idempotency-Key': value as string }),
    "Node's Headers": (value) => new globalThis.Headers({ 'Idempotency-Key': value as string }),
  }
  test.each(Object.entries(given))('makes no key of a value that is missing (%s)', async (_form, made) => {
    // `Headers` turns undefined and null into words.
    for (const value of [undefined, null, '', ' ', []]) {
      const count = await executions((client) => client.fetch(ORIGIN, charge(made(value))))
      expect(count).toBe(1)
    }
    const count = await executions((client) => client.fetch(ORIGIN, charge(made('k-1'))))
    expect(count).toBeGreaterThan(1)
  })
})

test('of several keys one that says something is enough, as the server has it', async () => {
  const headers = { 'idempotency-key': undefined, 'Idempotency-Key': 'k-1' }
  expect(await executions((client) => client.request(ORIGIN, charge(headers)))).toBeGreaterThan(1)
})

test('what the caller says of the call holds whatever the key', async () => {
  const executed = (idempotent: boolean | undefined, key: string): Promise<number> =>
    executions((client) => client.request(ORIGIN, { ...charge({ 'idempotency-key': key }), idempotent }))
  expect(await executed(false, 'k-1')).toBe(1)
  expect(await executed(true, '')).toBeGreaterThan(1)
  expect(await executed(undefined, '')).toBe(1)
})
