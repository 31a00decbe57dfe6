/**
 * The process's global dispatcher, before and after: in processes of their own, since undici and Node keep it for the
 * life of a process. `npm run test:node22` and `test:node26` run this on the other supported Nodes.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allowForProcesses, runModule } from '../support/processes/programs.ts'
import { startServers, type TestServer } from '../support/servers.ts'

allowForProcesses()

/** Runs a program of its own, and returns what it prints. */
async function run(program: string, env: Readonly<Record<string, string>> = {}): Promise<unknown> {
  // Node says of each of its proxy agents that it is experimental.
  return JSON.parse(await runModule(program, { ...process.env, NODE_NO_WARNINGS: '1', ...env }))
}

/** A proxy that answers for every host, by absolute URLs and through tunnels. */
let proxy: Server
let viaProxy: Readonly<Record<string, string>>
let task: TestServer

beforeAll(async () => {
  proxy = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => response.end(`proxy ${request.method} ${body}`))
  })
  proxy.on('connect', (_request, socket) => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    proxy.emit('connection', socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  viaProxy = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: 'localhost' }
  const [first] = await startServers(1, (_request, response, seen) => {
    response.end(`task ${seen.method} ${seen.body}`)
  })
  task = first as TestServer
})

afterAll(async () => {
  proxy.closeAllConnections()
  await new Promise((resolve) => proxy.close(resolve))
  await task.kill()
})

describe.each(['onehop', 'onehop/ecs'])('the import of %s', (name) => {
  const compare = `
    const LEGACY = Symbol.for('undici.globalDispatcher.1')
    const before = globalThis[LEGACY]
    await import('${name}')
    const kept = globalThis[LEGACY] === before`

  test('leaves the dispatcher that fetch has made', async () => {
    const told = await run(`
      await fetch('http://${task.label}/')
      ${compare}
      console.log(JSON.stringify([kept, before !== undefined]))`)
    expect(told).toEqual([true, true])
  })

  test('leaves none where there is none, and fetch makes its own', async () => {
    const told = await run(`
      ${compare}
      const answer = await (await fetch('http://${task.label}/')).text()
      const { Dispatcher1Wrapper } = await import('undici')
      console.log(JSON.stringify([kept, before === undefined, answer, globalThis[LEGACY] instanceof Dispatcher1Wrapper]))`)
    expect(told).toEqual([true, true, 'task GET ', false])
  })

  test('leaves the proxy agent of NODE_USE_ENV_PROXY, and fetch goes through it', async () => {
    const told = await run(
      `${compare}
       const answer = await (await fetch('http://other.example/')).text()
       console.log(JSON.stringify([kept, before !== undefined, answer]))`,
      viaProxy,
    )
    expect(told).toEqual([true, true, 'proxy GET '])
  })

  test('leaves undici’s own calls without a dispatcher working', async () => {
    const told = await run(`
      await import('${name}')
      const { request } = await import('undici')
      console.log(JSON.stringify(await (await request('http://${task.label}/')).body.text()))`)
    expect(told).toBe('task GET ')
  })
})

test('a later import of another entry leaves what was set meanwhile', async () => {
  const told = await run(`
    await import('onehop')
    const { Agent, setGlobalDispatcher } = await import('undici')
    class Own extends Agent {}
    setGlobalDispatcher(new Own())
    const symbols = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map((name) => Symbol.for(name))
    const set = symbols.map((symbol) => globalThis[symbol])
    await import('onehop/ecs')
    console.log(JSON.stringify(symbols.map((symbol, index) => globalThis[symbol] === set[index])))`)
  expect(told).toEqual([true, true])
})

const WAYS = {
  'the built-in fetch with client.dispatcher': `
    const call = async (url, init) => (await fetch(url, { ...init, dispatcher: client.dispatcher })).text()`,
  'the built-in fetch after setGlobalDispatcher': `
    setGlobalDispatcher(client.dispatcher)
    const call = async (url, init) => (await fetch(url, init)).text()`,
  'client.fetch': `
    const call = async (url, init) => (await client.fetch(url, init)).text()`,
  'client.request': `
    const call = async (url, init) => (await client.request(url, init)).body.text()`,
}

describe.each(Object.entries(WAYS))('%s', (_name, call) => {
  const program = (then: string, before = ''): string => `
    import { createClient, staticResolver } from 'onehop'
    import { setGlobalDispatcher } from 'undici'
    ${before}
    const client = createClient({
      namespaces: ['shop.local'],
      discovery: staticResolver({ 'orders.shop.local': ['${task.label}'] }),
    })
    ${call}
    const told = []
    ${then}
    await client.close()
    console.log(JSON.stringify(told))`

  test('calls hosts that are not discovered by the proxy of NODE_USE_ENV_PROXY, and tasks directly', async () => {
    const told = await run(
      program(`
        for (const host of ['other.example', 'orders.shop.local']) {
          told.push(await call('http://' + host + '/'))
          told.push(await call('http://' + host + '/', { method: 'POST', body: 'text' }))
        }`),
      viaProxy,
    )
    expect(told).toEqual(['proxy GET ', 'proxy POST text', 'task GET ', 'task POST text'])
  })

  test('sends a content-length of the caller’s, to tasks and to other hosts', async () => {
    const told = await run(
      program(`
        for (const headers of [{ 'content-length': '4' }, { 'Content-Length': '4' }])
          for (const host of ['${task.label}', 'orders.shop.local'])
            told.push(await call('http://' + host + '/', { method: 'POST', body: 'text', headers }))`),
    )
    expect(told).toEqual(['task POST text', 'task POST text', 'task POST text', 'task POST text'])
  })

  test('reads long bodies of hosts that are not discovered through the built-in dispatcher, at its own pace', async () => {
    // The dispatcher of undici 6, in Node 22, knows the older contract only.
    const told = await run(
      program(
        `const text = 'x'.repeat(3_000_000)
         const echoed = await call('http://${task.label}/', { method: 'POST', body: text })
         told.push(echoed === 'task POST ' + text)`,
        `await fetch('http://${task.label}/')`,
      ),
    )
    expect(told).toEqual([true])
  })

  test('fails for hosts that are not discovered as it did before', async () => {
    const told = await run(
      program(
        `const cause = await call('http://127.0.1.250:9999/').catch((error) => error.cause ?? error)
         told.push(cause.code)`,
        `await fetch('http://${task.label}/')`,
      ),
    )
    expect(told).toEqual(['ECONNREFUSED'])
  })
})

test.each(["Node's", "undici's"])(
  '%s FormData goes through the dispatcher that fetch has made, with its length',
  async (whose) => {
    const told = await run(`
      import { createClient } from 'onehop'
      import { FormData as UndicisForm } from 'undici'
      await fetch('http://${task.label}/')
      const client = createClient()
      const form = new (${whose === "Node's" ? 'FormData' : 'UndicisForm'})()
      form.set('field', 'value')
      form.set('file', new File(['text'], 'a.txt', { type: 'text/y' }))
      const { body } = await client.request('http://${task.label}/form', { method: 'POST', body: form })
      const answer = await body.text()
      await client.close()
      console.log(JSON.stringify(answer))`)
    expect(told).toMatch(
      /^task POST .*name="field"\r\n\r\nvalue\r\n.*filename="a.txt"\r\nContent-Type: text\/y\r\n\r\ntext\r\n/s,
    )
    const { headers, body } = task.seen.findLast(({ url }) => url === '/form') ?? {}
    expect(headers?.['content-length']).toBe(String(body?.length))
  },
)

test('protocols are upgraded through the dispatcher that fetch has made', async () => {
  const echo = createServer().on('upgrade', (_request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\nX-Told: yes\r\n\r\n',
    )
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`
  try {
    const told = await run(`
      import { createClient } from 'onehop'
      await fetch('http://${task.label}/')
      const client = createClient()
      const { headers, socket } = await client.dispatcher.upgrade({ origin: '${origin}', path: '/', protocol: 'echo' })
      socket.write('hello')
      const [chunk] = await new Promise((resolve) => socket.once('data', (data) => resolve([data])))
      socket.destroy()
      await client.close()
      console.log(JSON.stringify([headers['x-told'], String(chunk)]))`)
    expect(told).toEqual(['yes', 'hello'])
  } finally {
    echo.closeAllConnections()
    await new Promise((resolve) => echo.close(resolve))
  }
})
