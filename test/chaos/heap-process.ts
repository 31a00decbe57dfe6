/**
 * Calls tasks on 127.0.1.1 and up, each at the port of the first argument, and prints what is left in memory. To be run
 * with `--expose-gc`.
 */
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import { createClient, type Clock } from 'onehop'
import { scriptedResolver } from 'onehop/testing'
import { Pool } from 'undici'
import { systemClock } from '../../src/core/clock.ts'

export interface Memory {
  /** In bytes, after a quarter of the requests, or changes, and after all. */
  readonly requests: readonly [number, number]
  readonly changes: readonly [number, number]
  /** undici's, while four tasks are there. */
  readonly pools: number
  /** Requests that were answered while tasks came and went. */
  readonly answered: number
}

const REQUESTS = 200_000
const IN_FLIGHT = 50
const CHANGES = 1_000
const TASKS = 4
const ADDRESSES = 16
/** A TTL is a second at the least, and 1,000 of them are too long a test. */
const FASTER = 50
const TTL_MS = 1_000
const ORIGIN = 'http://orders.shop.local/'

const port = Number(process.argv[2])
const collect = globalThis.gc as () => void

const fastClock: Clock = {
  ...systemClock,
  now: () => FASTER * systemClock.now(),
  setTimer: (callback, delayMs, awaited) => systemClock.setTimer(callback, delayMs / FASTER, awaited),
}

/** Prototypes of subclasses are among them. */
function poolsNow(): number {
  return queryObjects(Pool, { format: 'count' })
}

const POOLS_AT_FIRST = poolsNow()

/** Four of the tasks; with each change one leaves and one joins. */
function tasksAt(change: number): string[] {
  return Array.from({ length: TASKS }, (_, task) => `127.0.1.${1 + ((change + task) % ADDRESSES)}:${port}`)
}

/** The least of some readings: what was just used is collected late. */
async function heapUsed(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let reading = 0; reading < 8; reading++) {
    await turn()
    collect()
    least = Math.min(least, process.memoryUsage().heapUsed)
  }
  return least
}

async function requests(): Promise<Memory['requests']> {
  await using client = createClient({
    namespaces: ['shop.local'],
    discovery: scriptedResolver(systemClock, tasksAt(0)),
  })
  const call = async (count: number): Promise<void> => {
    let left = count
    const worker = async (): Promise<void> => {
      while (left-- > 0) await (await client.request(ORIGIN)).body.dump()
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  }
  await call(REQUESTS / 4)
  const before = await heapUsed()
  await call((3 * REQUESTS) / 4)
  return [before, await heapUsed()]
}

async function changes(): Promise<Omit<Memory, 'requests'>> {
  const resolver = scriptedResolver(fastClock, tasksAt(0), TTL_MS)
  await using client = createClient({
    namespaces: ['shop.local'],
    discovery: resolver,
    clock: fastClock,
    timeouts: { connectMs: 10_000 },
  })
  let answered = 0
  const change = async (from: number, to: number): Promise<void> => {
    for (let number = from; number < to; number++) {
      resolver.answer(tasksAt(number))
      const known = client.inspect().services['orders.shop.local']?.refreshes ?? 0
      do {
        await (await client.request(ORIGIN)).body.dump()
        answered++
        await delay(1)
      } while ((client.inspect().services['orders.shop.local']?.refreshes ?? 0) <= known)
    }
  }
  await change(0, CHANGES / 4)
  const before = await heapUsed()
  await change(CHANGES / 4, CHANGES)
  // Whoever has just left is given time.
  await delay(1_000)
  const after = await heapUsed()
  return { changes: [before, after], pools: poolsNow() - POOLS_AT_FIRST, answered }
}

const memory: Memory = { requests: await requests(), ...(await changes()) }
process.send?.(memory)
process.disconnect()
