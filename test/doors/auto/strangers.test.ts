/**
 * Applications that others wrote, from their npm packages and without a line changed: json-server and http-server as tasks,
 * http-server's proxy and the crawler linkinator as callers.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLocalAws, type LocalAws } from 'onehop/testing'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { Losses } from '../../support/losses.ts'
import { freePort } from '../../support/ports.ts'
import { end } from '../../support/processes/children.ts'
import { APPS, AUTO, FLAGS, run, ROOT } from './world.ts'

const BIN = `${APPS}node_modules/.bin/`
const HOST = 'shelf.shop.local'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const dispose of ends.splice(0).toReversed()) await dispose()
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'onehop-strangers-'))
  ends.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Lines that a program has printed. */
interface Program {
  readonly child: ChildProcess
  readonly lines: string[]
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => lines.push(...text.split('\n')))
  ends.push(() => end(child))
  return { child, lines }
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const isThere = await fetch(url).then(
      (response) => response.ok,
      () => false,
    )
    if (isThere) return
    if (tries > 1_000) throw new Error(`${url} does not answer`)
    await delay(50)
  }
}

interface Service {
  readonly aws: LocalAws
  readonly tasks: readonly Program[]
  readonly port: number
  readonly env: Readonly<Record<string, string>>
  /** SIGKILL for the first. Returns when its process has ended. */
  kill(): Promise<void>
  /** The address of the first answers nothing from then on. */
  vanish(): Promise<void>
}

/** @param argsOf what starts the task of an address */
async function service(
  count: number,
  path: string,
  argsOf: (address: string, port: number) => readonly string[],
): Promise<Service> {
  const aws = await startLocalAws()
  ends.push(() => aws.close())
  aws.addService(HOST, { ttlSeconds: 1 })
  const port = await freePort()
  const addresses = Array.from({ length: count }, (_, index) => `127.0.1.${index + 1}`)
  const tasks = addresses.map((address) => start([...argsOf(address, port)]))
  await Promise.all(addresses.map((address) => answers(`http://${address}:${port}${path}`)))
  for (const address of addresses) aws.register(HOST, address, { ipv4: address, port })
  // In turn: the default balancer leaves a task out that was slow once, on a busy machine for the whole test.
  const config = join(folder(), 'onehop.mjs')
  const source = JSON.stringify(`${ROOT}src/index.ts`)
  writeFileSync(
    config,
    `import { roundRobin } from ${source}\nexport default { allowLoopback: true, balancer: roundRobin() }`,
  )
  return {
    ...{ aws, tasks, port },
    env: { ...aws.env, ONEHOP_NAMESPACES: 'shop.local', ONEHOP_CONFIG: config },
    kill: () => end((tasks[0] as Program).child),
    async vanish() {
      const hole = await BlackHole.start(addresses[0] ?? '', port)
      ends.push(() => hole[Symbol.asyncDispose]())
    },
  }
}

const PAGES = 150

test('linkinator crawls a site of http-server (undici): calls spread, and a killed task breaks no link', async () => {
  const site = folder()
  const link = (page: number): string => `<a href="/pages/${page}.html">${page}</a>`
  mkdirSync(join(site, 'pages'))
  writeFileSync(join(site, 'index.html'), link(0))
  for (let page = 0; page < PAGES; page++) {
    const links = [1, 2, 3].map((step) => link((page * 2 + step) % PAGES)).join(' ')
    writeFileSync(join(site, 'pages', `${page}.html`), `<html><body>${links}</body></html>`)
  }
  const { tasks, port, env, kill, vanish } = await service(4, '/', (address, at) => [
    ...[`${BIN}http-server`, site, '-a', address, '-p', String(at)],
  ])
  const requests = ({ lines }: Program): number => lines.filter((line) => line.includes('"GET /')).length
  const before = tasks.map(requests)
  let killed: Promise<void> | undefined
  tasks[0]?.child.stdout?.on('data', () => {
    if (requests(tasks[0] as Program) > (before[0] ?? 0) + 15) killed ??= kill().then(vanish)
  })
  const { code, stdout, stderr } = await run(
    [
      `${BIN}linkinator`,
      `http://${HOST}:${port}/`,
      ...['--recurse', '--concurrency', '8', '--format', 'json', '--verbosity', 'info'],
    ],
    { env, flags: AUTO },
  )
  await killed
  const report = JSON.parse(stdout) as { passed: boolean; links: { state: string; status: number }[] }
  expect(killed).not.toBe(undefined)
  expect([code, report.passed, stderr]).toEqual([0, true, ''])
  expect(report.links.filter(({ state }) => state === 'OK').length).toBeGreaterThan(PAGES)
  const taken = tasks.map((task, index) => requests(task) - (before[index] ?? 0))
  console.log('linkinator: pages that each http-server has sent', taken)
  for (const count of taken) expect(count).toBeGreaterThan(10)
})

const CALLS = 400
const MAX_IN_FLIGHT = 4

test('http-server passes on to json-server (node:http): calls spread, and only what is in flight on a killed task is lost', async () => {
  const data = folder()
  const databaseOf = (address: string): string => {
    const file = join(data, `${address}.json`)
    writeFileSync(file, JSON.stringify({ orders: [{ id: 1, task: address }] }))
    return file
  }
  const { tasks, port, env, kill, vanish } = await service(4, '/orders', (address, at) => [
    ...[`${BIN}json-server`, '--quiet', '--host', address, '--port', String(at), databaseOf(address)],
  ])
  expect(tasks).toHaveLength(4)
  const gatewayPort = await freePort()
  const upstream = `http://${HOST}:${port}`
  start(
    [...AUTO, `${BIN}http-server`, data, '-s', '-a', '127.0.0.1', '-p', String(gatewayPort), '-P', upstream],
    env,
  )
  const url = `http://127.0.0.1:${gatewayPort}/orders/1`
  await answers(url)
  const taken = new Map<string, number>()
  const losses = new Losses()
  const call = async (): Promise<void> => {
    const response = await fetch(url)
    if (!response.ok) throw new Error(`status ${response.status}`)
    const order = (await response.json()) as { task: string }
    taken.set(order.task, (taken.get(order.task) ?? 0) + 1)
  }
  const calls = new Set<Promise<void>>()
  for (let count = 0; count < CALLS; count++) {
    // A machine that is slow calls less, instead of piling calls up.
    while (calls.size >= MAX_IN_FLIGHT) await Promise.race(calls)
    const made = losses.count(call).finally(() => calls.delete(made))
    calls.add(made)
    if (count === CALLS / 2) {
      // The gateway is another process: it knows once one of its calls has ended that began after the end of the task.
      await losses.during(() =>
        kill()
          .then(() => fetch(url))
          .then(() => undefined),
      )
      await vanish()
    }
    await delay(5)
  }
  await Promise.all(calls)
  const { failed, unexpected } = losses
  console.log('http-server to json-server: answers of each task', Object.fromEntries(taken), 'failed', failed)
  expect(unexpected).toEqual([])
  // At 200 calls a second that take a few ms, one is in flight on the killed task, if any.
  expect(failed).toBeLessThanOrEqual(MAX_IN_FLIGHT)
  expect(taken.size).toBe(4)
  for (const count of taken.values()) expect(count).toBeGreaterThan(10)
})

test('without onehop the same crawl fails, since no DNS of this machine knows the name', async () => {
  const { code } = await run([`${BIN}linkinator`, `http://${HOST}:80/`, '--verbosity', 'error'], {
    flags: FLAGS,
  })
  expect(code).toBe(1)
})
