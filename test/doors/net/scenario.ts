/**
 * Each driver under one fault: several real servers behind one name, of which one is killed. Its address answers nothing
 * from then on, as that of a Fargate task that is gone. Beside it the same driver with DNS alone.
 */
import { Resolver } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, leastRequest, roundRobin, type Client } from 'onehop'
import { startLocalAws } from 'onehop/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { throughOnehop, withoutOnehop, type Driver, type Pool, type Way } from './driver.ts'
import { runExample } from './run-example.ts'
import type { ServerProcess } from './server-process.ts'
import type { Servers } from './servers.ts'

const HOST = 'db.shop.local'
const SERVERS = 3
const POOL_SIZE = 6
const QUERIES = 60
/** Of a query for each connection of the pool, before the fault. */
const MAX_ROUNDS = 20
const NEW_CONNECTIONS = 12
/** More than a query and a connection take, and less than the wait for an address that answers nothing. */
const SLOW_MS = 150

interface Result {
  /** Connections of the pool by server, before the fault. */
  readonly spread: readonly number[]
  /** Queries that failed after the fault, of 60. */
  failed: number
  /** New connections after the fault, of 12: slow ones, and ones that failed. */
  slow: number
  lost: number
  /** Connections that were tried at the killed server meanwhile; undefined without onehop. */
  tried: number | undefined
  /** From the fault to the end of it. */
  seconds: number
  readonly errors: Set<string>
  /** That answered after the fault. */
  readonly answered: Set<string>
}

/** The tests of some drivers. */
export function testDrivers(drivers: Readonly<Record<string, Driver>>): void {
  const table: object[] = []
  afterAll(() => console.table(table))

  describe.each(Object.entries(drivers))('%s', (name, driver) => {
    let servers: Servers
    beforeAll(async () => void (servers = await driver.servers(SERVERS + 1)))
    afterAll(() => servers[Symbol.asyncDispose]())

    test('its example runs as it is, and ends by itself', () => runExample(name, servers.list))

    test('spreads its connections, and reconnects elsewhere when a server is killed', async () => {
      // Each way kills the first of its own three.
      const ours = await scenario(driver, servers.list.slice(0, SERVERS), 'onehop')
      const without = await scenario(driver, servers.list.slice(1), 'DNS alone')
      for (const [way, result] of Object.entries({ onehop: ours, 'DNS alone': without }))
        table.push(rowOf(name, way, result))
      // By open connections where they are known, else in turn, of which a driver takes some for itself.
      if (driver.takesSocket) expect(ours.spread).toEqual([2, 2, 2])
      else expect(Math.max(...ours.spread)).toBeLessThan(POOL_SIZE)
      // What was in flight or idle on the server that was killed.
      expect(ours.failed).toBeLessThanOrEqual(POOL_SIZE)
      expect(ours.lost).toBe(0)
      expect(ours.answered.size).toBe(SERVERS - 1)
      expect(ours.tried).toBeLessThanOrEqual(triesWithin(ours.seconds))
    })
  })
}

async function scenario(
  driver: Driver,
  servers: readonly ServerProcess[],
  kind: 'onehop' | 'DNS alone',
): Promise<Result> {
  await using aws = await startLocalAws()
  aws.addService(HOST, { ttlSeconds: 1 })
  for (const { address, port } of servers) aws.register(HOST, address, { ipv4: address, port })
  await using client = createClient({
    namespaces: ['shop.local'],
    // DNS, which may answer first, knows no port.
    discovery: 'api',
    cloudMap: aws.cloudMap,
    allowLoopback: true,
    // A lookup learns nothing of the connections that are open.
    services: { [HOST]: { balancer: driver.takesSocket ? leastRequest({ choices: 'all' }) : roundRobin() } },
  })
  const port = servers[0]?.port ?? 0
  const way =
    kind === 'onehop'
      ? throughOnehop(client, HOST, port)
      : withoutOnehop(nodesLookup(aws.dns.server), HOST, port)
  return await underFault(driver, servers, way, (address) =>
    kind === 'onehop' ? failuresAt(client, address) : undefined,
  )
}

function failuresAt(client: Client, address: string): number {
  return Object.values(client.inspect().services[HOST]?.origins ?? {})
    .flatMap(({ upstreams }) => upstreams)
    .filter(({ upstream }) => upstream.startsWith(`${address}:`))
    .reduce((sum, { failures }) => sum + failures, 0)
}

/** A client of MongoDB's driver opens two connections at once, before either fails. Then probes go there after 1, 2, 4 ... s. */
function triesWithin(seconds: number): number {
  return 2 + Math.floor(Math.log2(seconds + 1))
}

/** @param triedAt connections that were tried at an address in vain; undefined: not known */
async function underFault(
  driver: Driver,
  servers: readonly ServerProcess[],
  way: Way,
  triedAt: (address: string) => number | undefined,
): Promise<Result> {
  const pool = await driver.open(way, POOL_SIZE)
  try {
    let pooled: string[] = []
    // A pool may open few connections at a time: on a busy machine the first one may take all of the first queries.
    for (let round = 0; round < MAX_ROUNDS && new Set(pooled).size < 2; round++)
      pooled = await Promise.all(Array.from({ length: POOL_SIZE }, () => pool.ask()))
    const result: Result = {
      spread: servers.map(({ address }) => pooled.filter((from) => from === address).length),
      ...{ failed: 0, slow: 0, lost: 0, tried: undefined, seconds: 0 },
      errors: new Set(),
      answered: new Set(),
    }
    const [victim] = servers
    if (victim === undefined) throw new Error('no server')
    const killedAt = performance.now()
    await victim.kill()
    await using gone = await BlackHole.start(victim.address, victim.port)
    expect(gone.address).toBe(victim.address)
    await askOn(pool, result)
    const before = triedAt(victim.address)
    await reopen(driver, way, result)
    const after = triedAt(victim.address)
    if (before !== undefined && after !== undefined) result.tried = after - before
    result.seconds = (performance.now() - killedAt) / 1_000
    return result
  } finally {
    await pool.close()
  }
}

/** Three queries at a time, as from callers that do not know of the fault. */
async function askOn(pool: Pool, result: Result): Promise<void> {
  const ask = async (): Promise<void> => {
    try {
      result.answered.add(await pool.ask())
    } catch (error) {
      result.failed++
      result.errors.add(codeOf(error))
    }
  }
  for (let count = 0; count < QUERIES; count += 3) {
    await Promise.all([ask(), ask(), ask()])
    await delay(10)
  }
}

/** New connections, one after the other. */
async function reopen(driver: Driver, way: Way, result: Result): Promise<void> {
  for (let count = 0; count < NEW_CONNECTIONS; count++) {
    const startedAt = performance.now()
    try {
      const one = await driver.open(way, 1)
      result.answered.add(await one.ask())
      if (performance.now() - startedAt > SLOW_MS) result.slow++
      await one.close()
    } catch (error) {
      result.lost++
      result.errors.add(codeOf(error))
    }
  }
}

/** The addresses that DNS has, in its order. */
function nodesLookup(server: string): LookupFunction {
  const resolver = new Resolver()
  resolver.setServers([server])
  return (host, options, callback) =>
    resolver.resolve4(host, (error, addresses: string[] | undefined) => {
      const list = (addresses ?? []).map((address) => ({ address, family: 4 }))
      if (error !== null || options.all === true) callback(error, list)
      else callback(null, list[0]?.address ?? '', 4)
    })
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}

function rowOf(driver: string, way: string, { spread, failed, slow, lost, tried, errors }: Result): object {
  return { driver, way, spread: spread.join(' '), failed, slow, lost, tried, errors: [...errors].join(' ') }
}
