/** The variables, in real processes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAJORS, nodeOf } from './nodes.ts'
import { APPS, AUTO, run, World, type Ended, type Start } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.start(1)
})
afterAll(() => world[Symbol.asyncDispose]())

/** Calls by each of these ways; true: a task has answered, false: the name is unknown to DNS. */
async function called(ways: readonly string[], start: Start = {}, url = world.url): Promise<boolean[]> {
  const CALLS = ways.map((way) => `${way} ${url}`).join('\n')
  const { code, stdout, stderr } = await world.run([`${APPS}calls.mjs`], {
    ...start,
    env: { CALLS, ...start.env },
  })
  expect([code, stderr]).toEqual([0, ''])
  return (JSON.parse(stdout) as string[]).map((text) => {
    if (text.startsWith('{')) return true
    expect(text).toMatch(/ENOTFOUND|EAI_AGAIN/)
    return false
  })
}

const ALL = ['fetch', 'undici7', 'undici8', 'http']

describe('ONEHOP_INTERCEPT', () => {
  test.each([
    [undefined, [true, true, true, true]],
    ['', [true, true, true, true]],
    ['fetch,http', [true, true, true, true]],
    ['fetch', [true, true, true, false]],
    [' http ', [false, false, false, true]],
    ['none', [false, false, false, false]],
  ])('%j', async (ONEHOP_INTERCEPT, routed) => {
    expect(await called(ALL, { env: { ONEHOP_INTERCEPT } })).toEqual(routed)
  })

  test('none reports what would be routed', async () => {
    const preload = world.file(
      'observer.mjs',
      `import { subscribe } from 'node:diagnostics_channel'
       const seen = []
       subscribe('onehop:call.observed', ({ host, method, by, upstream }) => seen.push([host, method, by, upstream].join(' ')))
       process.on('exit', () => console.log(JSON.stringify(seen)))`,
    )
    const { stdout } = await world.run([`${APPS}calls.mjs`], {
      flags: [...AUTO, '--import', preload],
      env: { CALLS: ALL.map((way) => `${way} ${world.url}`).join('\n'), ONEHOP_INTERCEPT: 'none' },
    })
    const [task] = world.fleet.tasks
    const by = (way: string): string => `orders.shop.local GET ${way} ${task?.address}:${task?.port}`
    // Of undici, a call and not an attempt: a name that DNS does not know is asked once.
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual([
      ...[by('fetch'), by('fetch'), by('fetch'), by('http')],
    ])
  })
})

test.each(['true', '1'])(
  'ONEHOP_DISABLED=%s loads nothing, whatever else is set',
  async (ONEHOP_DISABLED) => {
    const { code, stdout, stderr } = await world.run(
      [
        '--input-type=module',
        '--eval',
        `console.log([1, 2].map((version) => globalThis[Symbol.for('undici.globalDispatcher.' + version)] === undefined).join())`,
      ],
      { env: { ONEHOP_DISABLED, ONEHOP_CONFIG: '/nowhere.json', ONEHOP_NAMESPACE: 'x' } },
    )
    expect([code, stdout, stderr]).toEqual([0, 'true,true\n', ''])
  },
)

test('ONEHOP_DISABLED=false is as if it were not set', async () => {
  expect(await called(['fetch'], { env: { ONEHOP_DISABLED: 'false' } })).toEqual([true])
})

test('the variables of aws.env are honoured: region, endpoint and credentials by the API, DNS servers by DNS', async () => {
  const apiCalls = (): number =>
    Object.values(world.aws.cloudMap.calls).reduce((sum, count) => sum + count, 0)
  for (const ONEHOP_DISCOVERY of ['auto', 'api', 'dns']) {
    const queries = world.aws.dns.queries
    const calls = apiCalls()
    expect(await called(['fetch'], { env: { ONEHOP_DISCOVERY } })).toEqual([true])
    expect([ONEHOP_DISCOVERY, world.aws.dns.queries > queries, apiCalls() > calls]).toEqual([
      ONEHOP_DISCOVERY,
      ONEHOP_DISCOVERY !== 'api',
      ONEHOP_DISCOVERY !== 'dns',
    ])
  }
})

test('ONEHOP_FALLBACKS makes hosts known, with their load balancers', async () => {
  const [task] = world.fleet.tasks
  const balancer = `http://${task?.backAddress}:${task?.port}`
  const env = {
    ONEHOP_NAMESPACES: '',
    ONEHOP_FALLBACKS: `carts.shop.local=${balancer}, other.example=${balancer}`,
  }
  expect(await called(ALL, { env }, 'http://carts.shop.local/')).toEqual([true, true, true, true])
  const all = { ONEHOP_NAMESPACES: 'shop.local', ONEHOP_FALLBACKS: balancer }
  expect(await called(['fetch'], { env: all }, 'http://anything.shop.local/')).toEqual([true])
})

const OPTIONS = '{ allowLoopback: true, namespaces: ["shop.local"] }'
describe('ONEHOP_CONFIG', () => {
  test.each([
    ['json', `{ "allowLoopback": true, "namespaces": ["shop.local"] }`],
    ['mjs', `import { roundRobin } from 'onehop'\nexport default { ...${OPTIONS}, balancer: roundRobin() }`],
    ['cjs', `module.exports = ${OPTIONS}`],
    ['cjs', `exports.__esModule = true\nexports.default = ${OPTIONS}`],
    ['ts', `import type { AutoConfig } from 'onehop/auto'\nexport default ${OPTIONS} satisfies AutoConfig`],
  ])('.%s', async (extension, content) => {
    const env = { ONEHOP_NAMESPACES: undefined, ONEHOP_CONFIG: world.file(`config.${extension}`, content) }
    // How Node requires ESM and strips types depends on the version.
    const nodes = /ts|mjs/.test(extension) ? MAJORS.map(nodeOf) : [process.execPath]
    for (const node of nodes) expect(await called(['fetch', 'http'], { node, env })).toEqual([true, true])
  })

  test('has options of install beside those of a client; variables go before them', async () => {
    const config = (options: object): string =>
      world.file(
        'both.json',
        JSON.stringify({ allowLoopback: true, namespaces: ['elsewhere.local'], ...options }),
      )
    const noHttp = { ONEHOP_CONFIG: config({ http: false }) }
    expect(await called(['fetch', 'http'], { env: noHttp })).toEqual([true, false])
    const observes = { ONEHOP_CONFIG: config({ mode: 'observe' }), ONEHOP_INTERCEPT: 'http' }
    expect(await called(['fetch', 'http'], { env: observes })).toEqual([false, true])
  })
})

describe('a wrong value stops the start with one sentence that names the variable', () => {
  const secret = 'http://user:secret@alb.internal/'
  const wrong: [Readonly<Record<string, string>>, string][] = [
    [{ ONEHOP_DISCOVERY: 'dsn' }, 'ONEHOP_DISCOVERY: got "dsn"; allowed: auto, dns, api'],
    [
      { ONEHOP_INTERCEPT: 'fetch,none' },
      'ONEHOP_INTERCEPT: got "fetch,none"; allowed: fetch, http or fetch,http; or none',
    ],
    [{ ONEHOP_DISABLED: 'yes' }, 'ONEHOP_DISABLED: got "yes"; allowed: true, false, 1, 0'],
    [{ ONEHOP_ON_ERROR: 'ignore' }, 'ONEHOP_ON_ERROR: got "ignore"; allowed: stop, continue'],
    [{ ONEHOP_NAMESPACES: 'shop local' }, 'ONEHOP_NAMESPACES: namespaces[0]: got "shop local"; allowed: '],
    [{ ONEHOP_DNS_SERVERS: 'ten.0.0.2' }, 'ONEHOP_DNS_SERVERS: dns.servers[0]: got "ten.0.0.2"; allowed: '],
    [
      { ONEHOP_FALLBACKS: 'orders.shop.local' },
      'ONEHOP_FALLBACKS: got "orders.shop.local"; allowed: HOST=URL',
    ],
    [{ ONEHOP_FALLBACKS: `orders.shop.local=${secret}` }, 'ONEHOP_FALLBACKS: got "'],
    [{ ONEHOP_FALLBACKS: 'orders=http://alb.internal' }, 'ONEHOP_FALLBACKS: services.orders: got'],
    [
      { ONEHOP_FALLBACKS: 'a.b=http://x,a.b=http://y' },
      'ONEHOP_FALLBACKS: got "a.b=http://y"; allowed: one URL for each host',
    ],
    [{ ONEHOP_CONFIG: '/nowhere.json' }, 'ONEHOP_CONFIG: cannot use "/nowhere.json": ENOENT'],
    [{ ONEHOP_CONFIG: '/nowhere.mjs' }, 'ONEHOP_CONFIG: cannot use "/nowhere.mjs": Cannot find module'],
  ]
  const files: [string, string, string][] = [
    ['broken.json', '{ "password": "hunter2" oops', 'it is not valid JSON'],
    ['list.json', '[]', 'its default export is []; it must be an object of options'],
    ['none.mjs', 'export const options = {}', 'its default export is undefined; it must be'],
    ['later.mjs', 'export default Promise.resolve({})', 'its default export is a promise; it must be'],
    ['awaits.mjs', 'await 1\nexport default {}', 'a module with a top-level await cannot be read'],
    [
      'throws.cjs',
      'throw new Error("no database at postgres://me:hunter2@db")',
      'no database at postgres://***@db',
    ],
    ['syntax.mjs', 'export default {', 'Unexpected'],
  ]
  const contents: [string, string][] = [
    ['{ "retry": { "attempts": 0 } }', 'retry.attempts: got 0; allowed: an integer from 1'],
    ['{ "namespace": ["x"] }', 'namespace: no such option; did you mean namespaces?'],
    ['{ "mode": "none" }', 'mode: got "none"; allowed: "route" or "observe"'],
    ['{ "fetch": "yes" }', 'fetch: got "yes"; allowed: true or false'],
  ]

  const check = ({ code, stdout, stderr }: Ended, message: string): void => {
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(`onehop/auto: ${message}`)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).not.toMatch(/secret|hunter2/)
    expect(stderr).toContain('With ONEHOP_ON_ERROR=continue the process starts without onehop.')
  }
  const HELLO = ['--eval', 'console.log("started")']

  test.concurrent.each(wrong)('%j', async (env, message) => {
    check(await run(HELLO, { env: { ONEHOP_NAMESPACES: 'shop.local', ...env } }), message)
  })

  test.concurrent.each(files)('%s', async (name, content, message) => {
    const file = world.file(name, content)
    const ended = await run(HELLO, { env: { ONEHOP_CONFIG: file } })
    check(ended, `ONEHOP_CONFIG: cannot use "${file}": ${message}`)
  })

  test.concurrent.each(contents)('%s', async (content, message) => {
    const file = world.file(`wrong-${contents.findIndex(([one]) => one === content)}.json`, content)
    check(await run(HELLO, { env: { ONEHOP_CONFIG: file } }), `ONEHOP_CONFIG ("${file}"): ${message}`)
  })

  test('with ONEHOP_ON_ERROR=continue it is a warning, and the process goes on without onehop', async () => {
    const env = { ONEHOP_DISCOVERY: 'dsn', ONEHOP_ON_ERROR: 'continue' }
    const { code, stdout, stderr } = await run(HELLO, { env: { ONEHOP_NAMESPACES: 'shop.local', ...env } })
    expect([code, stdout]).toEqual([0, 'started\n'])
    expect(stderr).toContain('[ONEHOP_AUTO] OnehopWarning: onehop/auto: ONEHOP_DISCOVERY: got "dsn"')
    expect(stderr).toContain('The process goes on without onehop.')
  })
})

test('a variable that does not exist is a warning, with the closest one', async () => {
  const env = { ONEHOP_NAMESPACES: 'shop.local', ONEHOP_DNS_SERVER: '10.0.0.2', ONEHOP_COLOUR: 'red' }
  const { code, stderr } = await run(['--eval', ''], { env })
  expect(code).toBe(0)
  expect(stderr).toContain('there is no variable ONEHOP_DNS_SERVER; did you mean ONEHOP_DNS_SERVERS?')
  expect(stderr).toMatch(/there is no variable ONEHOP_COLOUR\n/)
})

test('without any host to discover there is a warning, and nothing is loaded', async () => {
  const { code, stderr } = await run(['--eval', ''], { env: { ONEHOP_DNS_SERVERS: '10.0.0.2' } })
  expect(code).toBe(0)
  expect(stderr).toContain('none of ONEHOP_NAMESPACES, ONEHOP_FALLBACKS and ONEHOP_CONFIG is set')
})
