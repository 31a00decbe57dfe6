/**
 * Node's built-in fetch over this dispatcher: Node 22 and 24 hand over handlers of an older contract.
 * `npm run test:nodes` runs this on every supported Node.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { clientOf, ORIGIN } from '../support/clients.ts'
import { refusingAddress, startServers, type TestServer } from '../support/servers.ts'

let tasks: TestServer[]
let client: ReturnType<typeof clientOf>

beforeAll(async () => {
  tasks = await startServers(2, (request, response, seen) => {
    if (request.url === '/broken') request.socket.resetAndDestroy()
    else response.end(`${seen.method} ${seen.body}`)
  })
  client = clientOf([await refusingAddress(), ...tasks.map((task) => task.label)])
})

afterAll(async () => {
  await client.close()
  for (const task of tasks) await task.kill()
})

const before = getGlobalDispatcher()
const ways: [string, (path: string, init?: RequestInit) => Promise<Response>][] = [
  [
    'fetch(url, { dispatcher })',
    (path, init) => fetch(ORIGIN + path, { ...init, dispatcher: client.dispatcher } as never),
  ],
  [
    'setGlobalDispatcher',
    async (path, init) => {
      setGlobalDispatcher(client.dispatcher)
      try {
        return await fetch(ORIGIN + path, init)
      } finally {
        setGlobalDispatcher(before)
      }
    },
  ],
]

describe.each(ways)('the built-in fetch by %s', (_name, call) => {
  test('gets', async () => {
    for (let i = 0; i < 6; i++) expect(await (await call('/')).text()).toBe('GET ')
  })

  test('posts strings, forms and streams', async () => {
    expect(await (await call('/', { method: 'POST', body: 'text' })).text()).toBe('POST text')
    const stream = new Blob(['stream']).stream()
    expect(await (await call('/', { method: 'POST', body: stream, duplex: 'half' } as never)).text()).toBe(
      'POST stream',
    )
    const form = new FormData()
    form.set('field', 'value')
    expect(await (await call('/', { method: 'POST', body: form })).text()).toContain(
      'name="field"\r\n\r\nvalue',
    )
  })

  test('fails with the cause of this library', async () => {
    await expect(call('/broken', { method: 'POST', body: 'x' })).rejects.toMatchObject({
      name: 'TypeError',
      cause: { code: 'ONEHOP_ATTEMPTS_EXHAUSTED' },
    })
  })

  test('aborts', async () => {
    const abort = new AbortController()
    const outcome = call('/', {
      signal: abort.signal,
      method: 'POST',
      body: new ReadableStream(),
      duplex: 'half',
    } as never)
    setTimeout(() => abort.abort(new Error('left')), 20)
    await expect(outcome).rejects.toThrow('left')
  })
})
