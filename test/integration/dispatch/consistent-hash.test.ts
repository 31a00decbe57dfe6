import fc from 'fast-check'
import { consistentHash, type Balancer } from 'onehop'
import type { Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { ReadableRequest, headerList } from '../../../src/dispatch/request/headers.ts'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'

const { keep, servers } = resources()

describe('a header of a request', () => {
  const token = fc.stringMatching(/^[a-zA-Z][a-zA-Z-]{0,8}$/)
  const pairs = fc.uniqueArray(fc.tuple(token, fc.stringMatching(/^[!-~]{1,8}$/)), {
    minLength: 1,
    selector: ([name]) => name.toLowerCase(),
  })
  const forms: readonly (readonly [string, (pairs: [string, string][]) => unknown])[] = [
    ['an object', (headers) => Object.fromEntries(headers)],
    [
      'an object without a prototype',
      (headers) => Object.assign(Object.create(null), Object.fromEntries(headers)),
    ],
    ['names and values in turn', (headers) => headers.flat()],
    ['buffers in turn', (headers) => headers.flat().map((text) => Buffer.from(text))],
    ['pairs by an iterator', (headers) => new Map(headers)],
    ['Headers', (headers) => new Headers(headers)],
  ]

  test.each(forms)('is found in %s, in whatever case', (_form, made) => {
    fc.assert(
      fc.property(pairs, fc.nat(), (headers, which) => {
        const [name, value] = headers[which % headers.length] as [string, string]
        const request = requestWith(made(headers))
        expect(request.header(name.toUpperCase())).toBe(value)
        expect(request.header(name.toLowerCase())).toBe(value)
        expect(request.header(`${name}-not`)).toBeUndefined()
      }),
    )
  })

  test('is the first of several, and nothing that every object has', () => {
    expect(requestWith({ 'X-User': ['7', '8'] }).header('x-user')).toBe('7')
    expect(requestWith({}).header('constructor')).toBeUndefined()
    expect(requestWith(undefined).header('x-user')).toBeUndefined()
    expect(requestWith(null).header('x-user')).toBeUndefined()
  })

  test.each([undefined, null, '', ' \t', [], ['', undefined]])('is none where its value is %j', (nothing) => {
    for (const headers of [{ 'x-user': nothing }, ['X-User', nothing], new Map([['x-user', nothing]])])
      expect(requestWith(headers).header('x-user')).toBeUndefined()
    // One that says something counts, wherever it stands.
    expect(requestWith({ 'x-user': nothing, 'X-User': '7' }).header('x-user')).toBe('7')
  })
})

describe('calls by key', () => {
  test('of one user go to one task, those of many to all', async () => {
    const tasks = await servers(4)
    const client = keep(clientOf(tasks, { balancer: consistentHash({ header: 'X-User-Id' }) }))
    const taskOf = async (user: string): Promise<string> => {
      const response = await client.fetch(`${ORIGIN}/`, { headers: { 'x-user-id': user } })
      return await response.text()
    }
    const used = new Set<string>()
    // Tasks have other ports in each run. That 100 users leave out one of four happens once in 10^12 runs.
    for (let user = 0; user < 100; user++) {
      const first = await taskOf(`user-${user}`)
      used.add(first)
      expect(await taskOf(`user-${user}`)).toBe(first)
    }
    expect(used.size).toBe(4)
  })

  test('are tried again at the next task of their key', async () => {
    const tasks = await servers(4)
    const client = keep(
      clientOf(tasks, { balancer: consistentHash({ key: ({ path }) => path }), outlier: false }),
    )
    const taskOf = async (): Promise<string> => await (await client.fetch(`${ORIGIN}/v1/carts/9`)).text()
    const home = await taskOf()
    for (const task of tasks) {
      if (task.label === home) task.answer = (_request, response) => void response.writeHead(503).end()
    }
    const next = await taskOf()
    expect(next).not.toBe(home)
    for (let i = 0; i < 5; i++) expect(await taskOf()).toBe(next)
  })

  test('the key is asked for once per call, of a balancer that may be a class', async () => {
    class First implements Balancer {
      asked = 0
      readonly keys: (string | undefined)[] = []
      keyOf(request: { readonly path: string }): string {
        this.asked++
        return request.path
      }
      pick(...[candidates, { key }]: Parameters<Balancer['pick']>): ReturnType<Balancer['pick']> {
        this.keys.push(key)
        return candidates[0]
      }
    }
    const tasks = await servers(2)
    for (const task of tasks) task.answer = (_request, response) => void response.writeHead(503).end()
    const balancer = new First()
    const client = keep(clientOf(tasks, { balancer, retry: { attempts: 2 } }))
    expect((await client.fetch(`${ORIGIN}/a`)).status).toBe(503)
    expect(balancer.asked).toBe(1)
    expect(balancer.keys).toEqual(['/a', '/a'])
  })

  test('a key that cannot be made fails the call with what went wrong', async () => {
    const tasks = await servers(1)
    const balancer = consistentHash({
      key: () => {
        throw new Error('no tenant in this path')
      },
    })
    const client = keep(clientOf(tasks, { balancer }))
    await expect(client.request(`${ORIGIN}/`)).rejects.toThrow('no tenant in this path')
    await client.close()
    expect(tasks[0]?.seen).toEqual([])
  })
})

function requestWith(headers: unknown): ReadableRequest {
  return new ReadableRequest({
    method: 'GET',
    path: '/',
    headers: headerList(headers),
  } as Dispatcher.DispatchOptions)
}
