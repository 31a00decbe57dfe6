/**
 * 200 requests a second on four task processes for 12 s, one of them SIGKILLed after 4 s. Its record stays in
 * DNS, as it does in life for as long as the TTL says.
 */
import { AttemptsExhaustedError, createClient, type AttemptRecord, type Client } from 'onehop'
import { startFleet, startLocalAws } from 'onehop/testing'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'

const PER_SECOND = 200
const SECONDS = 12

interface Failure {
  readonly method: string
  readonly startedAt: number
  readonly error: unknown
}

function pendingOn(client: Client, place: string): number {
  const origins = Object.values(client.inspect().services['orders.shop.local']?.origins ?? {})
  return (
    origins.flatMap(({ upstreams }) => upstreams).find(({ upstream }) => upstream === place)?.pending ?? 0
  )
}

test.each(['dns', 'api'] as const)(
  'a killed task fails no GET, and no POST but those in flight on it (%s)',
  async (discovery) => {
    await using aws = await startLocalAws()
    await using fleet = await startFleet({ tasks: 4, processes: true })
    aws.addService('orders.shop.local', { ttlSeconds: 10 })
    for (const { id, address, port } of fleet.tasks)
      aws.register('orders.shop.local', id, { ipv4: address, port })
    await using client = createClient({
      namespaces: ['shop.local'],
      discovery,
      dns: { servers: [aws.dns.server] },
      cloudMap: aws.cloudMap,
      allowLoopback: true,
      port: fleet.port,
    })
    const victim = fleet.tasks[1]
    if (victim === undefined) throw new Error('no tasks')
    // It takes its time, so that something is in flight on it when it dies.
    for (const task of fleet.tasks) await task.set({ kind: 'slow', delayMs: 10 })

    const failures: Failure[] = []
    const answered: Record<string, number> = { GET: 0, POST: 0 }
    const call = async (method: 'GET' | 'POST'): Promise<void> => {
      const startedAt = performance.now()
      try {
        const { statusCode, body } = await client.request('http://orders.shop.local/', {
          method,
          ...(method === 'POST' ? { body: 'an order' } : {}),
        })
        await body.text()
        if (statusCode !== 200) throw new Error(`status ${statusCode}`)
        answered[method] = (answered[method] ?? 0) + 1
      } catch (error) {
        failures.push({ method, startedAt, error })
      }
    }

    const calls: Promise<void>[] = []
    const start = performance.now()
    let killing: Promise<void> | undefined
    let killedAt = Number.POSITIVE_INFINITY
    let pendingAtKill = 0
    const place = `${victim.address}:${victim.port}`
    for (let count = 0; count < PER_SECOND * SECONDS; count++) {
      const early = start + (count * 1_000) / PER_SECOND - performance.now()
      if (early > 1) await delay(early)
      if (killing === undefined && performance.now() - start > 4_000) {
        killedAt = performance.now()
        pendingAtKill = pendingOn(client, place)
        killing = victim.kill()
      }
      calls.push(call(count % 2 === 0 ? 'GET' : 'POST'))
    }
    await Promise.all([...calls, killing])

    const inFlight = failures.filter(({ method, startedAt, error }) => {
      const last: AttemptRecord | undefined =
        error instanceof AttemptsExhaustedError ? error.attempts.at(-1) : undefined
      // Begun before it died, or while the news of it was still under way on a busy machine.
      const before = startedAt <= killedAt + 100
      const sent = last?.outcome.kind === 'transport-error' && last.outcome.sent
      return method === 'POST' && before && sent && last?.upstream === place
    })
    expect(failures.filter((failure) => !inFlight.includes(failure))).toEqual([])
    // Those that were there, and the few of a moment.
    expect(inFlight.length).toBeLessThanOrEqual(pendingAtKill + 5)
    expect((answered['GET'] ?? 0) + (answered['POST'] ?? 0) + inFlight.length).toBe(PER_SECOND * SECONDS)
    expect(client.inspect().callsUnderWay).toBe(0)
  },
)
