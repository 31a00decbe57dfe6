/** The variables, in real processes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAJORS, nodeOf } from '../../support/processes/nodes.ts'
import { APPS, AUTO, run, World, type Start } from './world.ts'

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
    ['', [true, true, true, true]],
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
      {
        env: {
          ONEHOP_DISABLED,
          ONEHOP_CONFIG: '/nowhere.json',
          ONEHOP_NAMESPACE: 'x',
          ONEHOP_DISCOVERY: 'x',
          ONEHOP_INTERCEPT: 'x',
          ONEHOP_FALLBACKS: 'x',
          ONEHOP_ON_ERROR: 'x',
        },
      },
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

describe('ONEHOP_CONFIG', () => {
  // How Node requires ESM and strips types depends on the version.
  test.each(MAJORS)('is a TypeScript module that imports onehop, on Node %s', async (major) => {
    const content = `
      import { roundRobin } from 'onehop'
      import type { AutoConfig } from 'onehop/auto'
      const config: AutoConfig = { allowLoopback: true, namespaces: ['shop.local'], balancer: roundRobin() }
      export default config`
    const env = { ONEHOP_NAMESPACES: undefined, ONEHOP_CONFIG: world.file('config.mts', content) }
    expect(await called(['fetch', 'http'], { node: nodeOf(major), env })).toEqual([true, true])
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

describe('a wrong value stops the start with one line that names the variable', () => {
  const HELLO = ['--eval', 'console.log("started")']
  const wrong: [Readonly<Record<string, string>>, string][] = [
    [{ ONEHOP_DISCOVERY: 'dsn' }, 'ONEHOP_DISCOVERY: got "dsn"; allowed: auto, dns, api'],
    [{ ONEHOP_NAMESPACES: 'shop local' }, 'ONEHOP_NAMESPACES: namespaces[0]: got "shop local"; allowed: '],
    [{ ONEHOP_FALLBACKS: 'orders.shop.local=http://user:secret@alb/' }, 'ONEHOP_FALLBACKS: got "'],
    [{ ONEHOP_CONFIG: '/nowhere.mjs' }, 'ONEHOP_CONFIG: cannot use "/nowhere.mjs": Cannot find module'],
  ]
  test.each(wrong)('%j', async (env, message) => {
    const { code, stdout, stderr } = await run(HELLO, { env: { ONEHOP_NAMESPACES: 'shop.local', ...env } })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(`onehop/auto: ${message}`)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).not.toContain('secret')
    expect(stderr).toContain('With ONEHOP_ON_ERROR=continue the process starts without onehop.')
  })

  test('with ONEHOP_ON_ERROR=continue it is a warning, and the process goes on without onehop', async () => {
    const env = { ONEHOP_NAMESPACES: 'shop local', ONEHOP_ON_ERROR: 'continue' }
    const program = `const { addRequest } = require('http').Agent.prototype; console.log('started', addRequest.name)`
    const { code, stdout, stderr } = await run(['--eval', program], { env })
    expect([code, stdout]).toEqual([0, 'started addRequest\n'])
    expect(stderr).toContain('[ONEHOP_AUTO] OnehopWarning: onehop/auto: ONEHOP_NAMESPACES: ')
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

test.each([
  ['other variables alone', { ONEHOP_DNS_SERVERS: '10.0.0.2' }, undefined],
  ['a load balancer for all services', { ONEHOP_FALLBACKS: 'http://alb' }, undefined],
  ['a file with other options', {}, '{ "port": 8080 }'],
])('%s: no host is named, and a warning says so', async (_settings, variables, file) => {
  const ONEHOP_CONFIG = file === undefined ? '' : world.file('other.json', file)
  const { code, stderr } = await run(['--eval', ''], { env: { ...variables, ONEHOP_CONFIG } })
  expect(code).toBe(0)
  expect(stderr).toContain(
    'none of ONEHOP_NAMESPACES, ONEHOP_FALLBACKS and ONEHOP_CONFIG names a host or a namespace: onehop intercepts no calls',
  )
})
