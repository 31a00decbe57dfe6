/** The command line as its users get it: from the packed package, by its name in node_modules/.bin. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startFleet, startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { environmentOf } from '../support/processes/cli.ts'
import { nodeOf } from '../support/processes/nodes.ts'
import { consumer, root, run } from './consumer.ts'

const BIN = 'node_modules/.bin/onehop'
/** Of each question; the machine may be busy. */
const PATIENT = ['--timeout', '60000']
const user = consumer()

test('is in the path of npm scripts, and npx finds it', async () => {
  const { stdout } = await run(BIN, ['--help'], { cwd: user.folder })
  expect(stdout).toContain('Usage: onehop COMMAND')
  const meta = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const version = await run('npx', ['--no-install', 'onehop', '--version'], { cwd: user.folder })
  expect(version.stdout).toBe(`${meta.version}\n`)
})

test.each([['--help'], ['call', '--help'], ['doctor', '--help'], ['bench', '--help']])(
  'onehop %s %s loads neither the library nor undici nor the AWS SDK',
  async (...args) => {
    const hook = join(user.folder, 'loaded.mjs')
    await writeFile(
      hook,
      `import { registerHooks } from 'node:module'
       const loaded = []
       registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
       process.on('exit', () => process.stderr.write(JSON.stringify(loaded)))`,
    )
    const main = join(user.folder, 'node_modules/onehop/dist/cli/main.js')
    const flags = ['--import', hook, main, ...args.filter((arg) => arg !== undefined)]
    const { stderr } = await run(process.execPath, flags, { cwd: user.folder })
    const files = (JSON.parse(stderr) as string[]).filter((url) => url.startsWith('file:'))
    // The command itself and what all of them share; never dist/index.js or a dependency.
    expect(files.length).toBeLessThanOrEqual(args.length + 2)
    for (const file of files) expect(file).toMatch(/\/dist\/cli\/(main|options|call|doctor|bench|cost)\.js$/)
  },
)

test.each(['22', '24', '26'])('each command works on Node %s', async (major) => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 2, zones: ['eu-west-1b', 'eu-west-1a'] })
  const host = 'orders.shop.local'
  aws.addService(host)
  for (const { id, address, port, zone } of fleet.tasks) aws.register(host, id, { ipv4: address, port, zone })
  const node = nodeOf(major)
  const main = join(user.folder, 'node_modules/onehop/dist/cli/main.js')
  const env = { ...process.env, ...environmentOf(aws), HOME: process.env['HOME'] }
  const json = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const { stdout, stderr } = await run(node, [main, ...args, '--json'], { cwd: user.folder, env })
    expect(stderr).toBe('')
    return JSON.parse(stdout) as Record<string, unknown>
  }
  expect(await json('resolve', ...PATIENT, host)).toMatchObject({
    endpoints: [{ sources: ['dns', 'api'] }, {}],
  })
  expect(await json('whoami', ...PATIENT)).toMatchObject({ task: { zone: 'eu-west-1b' } })
  const { calls } = (await json('call', '--allow-loopback', '-n', '2', `http://${host}/`)) as {
    calls: readonly { attempts: readonly Record<string, unknown>[] }[]
  }
  expect(calls).toMatchObject([{ status: 200 }, { status: 200 }])
  // The attempt that was answered: on a busy machine another may have failed before.
  const { connection, connectMs, headersMs, bodyMs } = calls[0]?.attempts.at(-1) ?? {}
  expect([connection, typeof connectMs, typeof headersMs, typeof bodyMs]).toEqual([
    'new',
    'number',
    'number',
    'number',
  ])
  expect(await json('doctor', ...PATIENT, '--allow-loopback', host)).toMatchObject({ healthy: true })
  const fallback = `http://${fleet.tasks[0]?.address}:${fleet.port}`
  const quick = ['--rate', '50', '--duration', '1s', '--warm-up', '0s', '--set-up', '1']
  const bench = await json(
    'bench',
    `http://${host}:${fleet.port}/`,
    '--allow-loopback',
    '--fallback',
    fallback,
    ...quick,
  )
  expect(bench).toMatchObject({
    arms: [{ name: 'dns' }, { name: 'api' }, { name: 'fallback' }, { name: 'undici' }, { name: 'control' }],
  })
  const help = await run(node, [main, '--help'], { cwd: user.folder, env: { ...env, FORCE_COLOR: '1' } })
  expect(help.stdout).toContain('\u001B[1mCommands\u001B[22m')
})
