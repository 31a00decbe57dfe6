/** How processes come to it: flags, NODE_OPTIONS, workers, and other preloads before and after. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, dirname } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAJORS, nodeOf } from '../../support/processes/nodes.ts'
import { APPS, AUTO, FLAGS, ROOT, World } from './world.ts'

let world: World
/** An application that needs a loader: Node does not strip enums. */
let app: string
beforeAll(async () => {
  world = await World.start(1)
  app = world.file(
    // Not CommonJS, where nothing says so.
    'app.mts',
    `enum Way { Fetch = 'fetch' }
     const response = await globalThis[Way.Fetch](process.env['SERVICE_URL'] ?? '')
     console.log(((await response.json()) as { task: string }).task)`,
  )
})
afterAll(() => world[Symbol.asyncDispose]())

const TELEMETRY = `${APPS}telemetry.mjs`

describe.each(MAJORS)('Node %s', (major) => {
  const node = nodeOf(major)

  test('workers from a file, forks and clusters have it', async () => {
    const flags = AUTO.join(' ')
    // By a flag, which Node passes on as well.
    const start = major === '24' ? {} : { flags: [], env: { NODE_OPTIONS: flags } }
    const ended = await world.run([`${APPS}workers.mjs`], { node, ...start })
    expect(ended).toEqual({ code: 0, stdout: '["task-1","task-1","task-1"]\n', stderr: '' })
  })

  test('it is required by CommonJS, too', async () => {
    const { code, stdout, stderr } = await world.run([`${APPS}calls.mjs`], {
      node,
      flags: [...FLAGS, '--require', 'onehop/auto'],
      env: { CALLS: `fetch ${world.url}\nhttp ${world.url}` },
    })
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toHaveLength(2)
    expect(stdout.match(/task-1/g)).toHaveLength(2)
  })

  test.each([
    ['before', [...FLAGS, '--import', TELEMETRY, '--import', 'onehop/auto']],
    ['after', [...AUTO, '--import', TELEMETRY]],
  ])('OpenTelemetry that is loaded %s has a span for each call', async (_when, flags) => {
    const ways = ['fetch', 'undici7', 'undici8', 'http']
    const { code, stdout, stderr } = await world.run([`${APPS}calls.mjs`], {
      ...{ node, flags },
      env: { CALLS: ways.map((way) => `${way} ${world.url}`).join('\n') },
    })
    expect([code, stderr]).toEqual([0, ''])
    const [calls = '', spans = ''] = stdout.trim().split('\n')
    expect(calls.match(/task-1/g)).toHaveLength(4)
    // Discovery's own calls are among them.
    const hosts = (JSON.parse(spans) as string[]).filter((host) => host.endsWith('shop.local'))
    expect(hosts).toEqual(Array<string>(4).fill('orders.shop.local'))
  })

  test.each([
    ['before', [...FLAGS, '--import', `${APPS}node_modules/tsx/dist/loader.mjs`, '--import', 'onehop/auto']],
    ['after', [...AUTO, '--import', `${APPS}node_modules/tsx/dist/loader.mjs`]],
  ])('a loader that is registered %s it loads the application', async (_when, flags) => {
    const ended = await world.run([app], { node, flags })
    expect(ended).toEqual({ code: 0, stdout: 'task-1\n', stderr: '' })
  })

  test('a process that has called ends by itself, with the signal handlers that it had', async () => {
    const program = `
      const names = () => process.eventNames().map(String).sort().join()
      const before = names()
      const { task } = await (await fetch(process.env.SERVICE_URL)).json()
      const { get } = process.getBuiltinModule('http')
      await new Promise((resolve) => get(process.env.SERVICE_URL, (response) => response.resume().on('close', resolve)))
      const count = (signal) => process.listenerCount(signal)
      console.log(task, names() === before, ['SIGTERM', 'SIGINT', 'beforeExit', 'uncaughtException'].map(count).join())`
    const ended = await world.run(['--input-type=module', '--eval', program], { node })
    expect(ended).toEqual({ code: 0, stdout: 'task-1 true 0,0,0,0\n', stderr: '' })
  })
})

// Those of undici 7 and 8 have and expect handlers of the newer contract, which the undici of Node 22 does not know.
test.each(MAJORS.flatMap((major) => ['undici6', 'undici7', 'undici8'].map((undici) => [major, undici])))(
  'interceptors over the global dispatcher work for all hosts, on Node %s with %s',
  async (major, undici) => {
    const program = `
      import { createServer } from 'node:http'
      import { createRequire } from 'node:module'
      const { getGlobalDispatcher, interceptors, request, setGlobalDispatcher } = createRequire('${APPS}')('${undici}')
      const other = createServer((_request, response) => response.end('{"task":"other"}')).listen(0, '127.0.0.1')
      await new Promise((resolve) => other.on('listening', resolve))
      const { retry, redirect, cache = retry } = interceptors
      setGlobalDispatcher(getGlobalDispatcher().compose(retry()).compose([cache(), redirect({ maxRedirections: 1 })]))
      for (const url of [process.env.SERVICE_URL, 'http://127.0.0.1:' + other.address().port]) {
        const { body } = await request(url)
        console.log((await body.json()).task, (await (await fetch(url)).json()).task)
      }
      other.close()`
    const ended = await world.run(['--input-type=module', '--eval', program], { node: nodeOf(major) })
    expect(ended).toEqual({ code: 0, stdout: 'task-1 task-1\nother other\n', stderr: '' })
  },
)

test('a client that is closed leaves no timer and no socket', async () => {
  const program = `
    import http from 'node:http'
    import { installedClient } from 'onehop/install'
    const url = process.env.SERVICE_URL
    const calls = [fetch(url).then((response) => response.text())]
    const agent = new http.Agent({ keepAlive: true })
    for (let count = 0; count < 4; count++)
      calls.push(new Promise((resolve) => http.get(url, { agent }, (response) => response.resume().on('close', resolve))))
    await Promise.all(calls)
    await installedClient().close()
    agent.destroy()
    const refused = await fetch(url).catch((error) => error.cause.code)
    await new Promise(setImmediate)
    const left = process.getActiveResourcesInfo().filter((name) => !/Pipe|TTY|Immediate|CloseReq/.test(name))
    console.log(refused, JSON.stringify(left))`
  const ended = await world.run(['--input-type=module', '--eval', program])
  expect(ended).toEqual({ code: 0, stdout: 'ONEHOP_CLOSED []\n', stderr: '' })
})

test('two preloads of it are one', async () => {
  const program = `
    import { installedClient } from 'onehop/install'
    const seen = Object.keys(installedClient().inspect().services)
    console.log((await (await fetch(process.env.SERVICE_URL)).json()).task, seen.length)`
  const flags = [...AUTO, '--import', `${ROOT}src/auto/index.ts`, '--require', 'onehop/auto']
  const ended = await world.run(['--input-type=module', '--eval', program], { flags })
  expect(ended).toEqual({ code: 0, stdout: 'task-1 0\n', stderr: '' })
})

test('the client of one copy of the package is known to another, and is the only one', async () => {
  const program = `
    import { createClient } from 'onehop'
    import { installedClient } from 'onehop/install'
    const other = await import('${ROOT}src/install/install.ts?another-copy')
    const client = createClient({ namespaces: ['other.local'] })
    try {
      other.install(client)
    } catch ({ code, option }) {
      console.log(code, option)
    }
    console.log(other.installedClient() === installedClient(), installedClient().discovers('orders.shop.local'))`
  const ended = await world.run(['--input-type=module', '--eval', program])
  expect(ended).toEqual({ code: 0, stdout: 'ONEHOP_INVALID_OPTIONS client\ntrue true\n', stderr: '' })
})

test('package managers are left alone, and what they start is not', async () => {
  const project = dirname(world.file('package.json', JSON.stringify({ scripts: { start: 'node app.mjs' } })))
  world.file('app.mjs', 'console.log((await (await fetch(process.env.SERVICE_URL)).json()).task)')
  const env = {
    ...process.env,
    ...world.env,
    // The npm of this machine runs on the Node of these tests, and so does what it starts.
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    NODE_OPTIONS: [...FLAGS, '--import', `${ROOT}src/auto/index.ts`].join(' '),
  }
  const npm = (options: object): Promise<{ stdout: string }> =>
    promisify(execFile)('npm', ['start', '--silent'], { cwd: project, env: { ...env, ...options } })
  expect((await npm({})).stdout).toBe('task-1\n')
  const failure = npm({ ONEHOP_DISCOVERY: 'dsn' })
  // Not npm's own start has failed, but that of the application, once.
  await expect(failure).rejects.toMatchObject({
    stderr: expect.stringMatching(/^onehop\/auto: ONEHOP_DISCOVERY[^\n]*\n$/) as string,
  })
})

describe('a proxy of the environment', () => {
  test.each(MAJORS)(
    'gets what is not discovered, and tasks get the rest directly, on Node %s',
    async (major) => {
      const seen: string[] = []
      const proxy = createServer((request, response) => {
        seen.push(`${request.url}`)
        response.end(
          `proxy ${request.headers['proxy-authorization'] === undefined ? '' : 'with credentials'}`,
        )
      })
      proxy.on('connect', (_request, socket) => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        proxy.emit('connection', socket)
      })
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
      const { port } = proxy.address() as AddressInfo
      const ways = ['fetch', 'http', 'http-list']
      try {
        const { code, stdout } = await world.run([`${APPS}calls.mjs`], {
          node: nodeOf(major),
          env: {
            CALLS: ways
              .flatMap((way) => [`${way} ${world.url}?x=1`, `${way} http://elsewhere.example/`])
              .join('\n'),
            NODE_USE_ENV_PROXY: '1',
            HTTP_PROXY: `http://user:secret@127.0.0.1:${port}`,
            NO_PROXY: '127.0.0.1',
          },
        })
        expect(code).toBe(0)
        const results = (JSON.parse(stdout) as string[]).map((text) =>
          text.startsWith('{') ? (JSON.parse(text) as { task: string; path: string; host: string }) : text,
        )
        const task = expect.objectContaining({ task: 'task-1', path: '/v1/orders?x=1' }) as object
        expect(results).toEqual(ways.flatMap(() => [task, expect.stringContaining('proxy')]))
        expect(seen.filter((url) => url.includes('shop.local'))).toEqual([])
      } finally {
        proxy.closeAllConnections()
        proxy.close()
      }
    },
  )
})
