import { readFile } from 'node:fs/promises'
import { startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { environmentOf, runCli, runInShell, runInTerminal } from '../../support/processes/cli.ts'

const COMMANDS = ['resolve', 'watch', 'whoami', 'call', 'doctor', 'bench']

test.each([['--help'], ['-h'], ['help']])('%s lists the commands', async (...args) => {
  const { code, stdout, stderr } = await runCli(args)
  expect([code, stderr]).toEqual([0, ''])
  expect([...stdout.matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name]) => name)).toEqual(
    expect.arrayContaining(COMMANDS),
  )
  expect(stdout).toContain('Exit codes: 0 fine, 1 a finding or a failure, 2 wrong usage, 130 interrupted.')
})

test('without a command: the help on stderr, and wrong usage', async () => {
  const { code, stdout, stderr } = await runCli([])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('Usage: onehop COMMAND')
})

test.each(COMMANDS)('%s --help: usage, options and examples', async (name) => {
  const { code, stdout, stderr } = await runCli([name, '--help'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain(`Usage: onehop ${name} [OPTIONS]`)
  expect(stdout).toMatch(/--json +JSON on stdout/)
  expect(stdout).toMatch(new RegExp(`Examples\n {2}onehop ${name}`))
  // A terminal of usual width shows it without broken lines.
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(132)
  expect((await runCli(['help', name])).stdout).toBe(stdout)
})

test('--version is that of the package', async () => {
  const meta = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${meta.version}\n`, stderr: '' })
})

test.each([
  [['resovle'], 'onehop: no such command resovle (did you mean resolve?)\nSee: onehop --help\n'],
  [['toString'], 'onehop: no such command toString\nSee: onehop --help\n'],
  [['--verbose'], 'onehop: no such option --verbose\nSee: onehop --help\n'],
  [
    ['resolve', '--namespce', 'x', 'a.b'],
    'onehop resolve: no such option --namespce (did you mean --namespace?)\nSee: onehop resolve --help\n',
  ],
  [
    ['resolve', '--region'],
    'onehop resolve: --region needs a value: --region REGION\nSee: onehop resolve --help\n',
  ],
  [
    ['resolve', '--region', '--json', 'a.b'],
    'onehop resolve: --region needs a value: --region REGION\nSee: onehop resolve --help\n',
  ],
  [['resolve', '--json=yes', 'a.b'], 'onehop resolve: --json takes no value\nSee: onehop resolve --help\n'],
  [
    ['resolve', '--timeout', '1', '--timeout', '2', 'a.b'],
    'onehop resolve: --timeout is given twice\nSee: onehop resolve --help\n',
  ],
  [['resolve'], 'onehop resolve: HOST is missing\nSee: onehop resolve --help\n'],
  [
    ['resolve', 'a.b', 'c.d'],
    'onehop resolve: takes one HOST; "c.d" is too much\nSee: onehop resolve --help\n',
  ],
  [['whoami', 'me'], 'onehop whoami: takes no "me"\nSee: onehop whoami --help\n'],
  [
    ['resolve', '--discovery', 'dsn', 'a.b'],
    'onehop resolve: --discovery: got "dsn"; allowed: auto, dns, api\nSee: onehop resolve --help\n',
  ],
])('wrong usage: %j', async (args, message) => {
  expect(await runCli(args)).toEqual({ code: 2, stdout: '', stderr: message })
})

test.each([
  [{ ONEHOP_DISCOVERY: 'dsn' }, 'the variable ONEHOP_DISCOVERY: got "dsn"; allowed: auto, dns, api'],
  [{ ONEHOP_DNS_SERVERS: 'resolver' }, '--dns-server: got "resolver"; allowed: an IP address'],
  [{ ONEHOP_NAMESPACES: 'shop local' }, '--namespace: got "shop local"; allowed: a domain name'],
  [
    { AWS_ENDPOINT_URL_SERVICEDISCOVERY: 'ftp://x' },
    'cloudMap.endpoint: got "ftp://x"; allowed: an http or https URL',
  ],
])('wrong usage by the environment: %j', async (env, message) => {
  const { code, stdout, stderr } = await runCli(['resolve', 'orders.shop.local'], env)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
})

test('an option comes before its variable, and a variable may hold several', async () => {
  await using aws = await startLocalAws()
  aws.addService('orders.shop.local')
  aws.register('orders.shop.local', 'one', { ipv4: '10.0.11.42', port: 8080 })
  const env = environmentOf(aws, {
    ONEHOP_NAMESPACES: 'a.example, local,shop.local',
    ONEHOP_DISCOVERY: 'dns',
  })
  const byVariable = await runCli(['resolve', 'orders.shop.local'], env)
  expect(byVariable.stdout).toContain('service orders in namespace shop.local')
  expect(byVariable.stdout).toContain('API  not asked (--discovery dns)')
  const byOption = await runCli(
    ['resolve', '--discovery=api', '--namespace', 'local', 'orders.shop.local'],
    env,
  )
  expect(byOption.stdout).toContain('service orders.shop in namespace local')
  expect(byOption.stdout).toContain('DNS  not asked (--discovery api)')
})

test('a reader that has gone ends a command quietly', async () => {
  const { code, stdout, stderr } = await runInShell('onehop resolve --help | head -1')
  expect([code, stdout.split('\n').length, stderr]).toEqual([0, 2, ''])
})

test.skipIf(process.platform !== 'linux').each(['onehop --version', 'onehop watch --every 50 --json a.b'])(
  'results that cannot be written are an error: %s',
  async (line) => {
    // Every write to this device fails as on a full disk.
    const { code, stderr } = await runInShell(`${line} > /dev/full`, { ONEHOP_DNS_SERVERS: '127.0.0.1:1' })
    expect(stderr).toContain('onehop: the results could not be written: ENOSPC')
    expect(code).toBe(1)
  },
)

test('help in a terminal has bold headings, and none with NO_COLOR', async () => {
  expect((await runInTerminal(['--help'])).stdout).toContain('\u001B[1mCommands\u001B[22m')
  expect((await runInTerminal(['--help'], { NO_COLOR: '1' })).stdout).not.toContain('\u001B[')
  expect((await runCli(['--help'], { FORCE_COLOR: '1' })).stdout).toContain('\u001B[1mCommands\u001B[22m')
})
