import { OverloadedError, type Client } from 'onehop'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../support/clients.ts'
import { resources } from '../support/resources.ts'
import type { TestServer } from '../support/servers.ts'

const { keep, servers } = resources()

/** Tasks that answer when they are told to. */
async function holding(count: number): Promise<{ tasks: TestServer[]; release(): void; held(): number }> {
  const waiting: (() => void)[] = []
  const tasks = await servers(count, (_request, response) => void waiting.push(() => response.end('ok')))
  return {
    tasks,
    held: () => waiting.length,
    release: () => {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

async function get(client: Client): Promise<string> {
  const { body } = await client.request(ORIGIN)
  return body.text()
}

describe('maxPending.perOrigin', () => {
  test('refuses at once what exceeds it, sends nothing, and takes calls again when others have ended', async () => {
    const { tasks, release, held } = await holding(1)
    const client = keep(clientOf(tasks, { maxPending: { perOrigin: 2 } }))
    const calls = [get(client), get(client)]
    const error: unknown = await get(client).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OverloadedError)
    expect(error).toMatchObject({
      code: 'ONEHOP_OVERLOADED',
      message:
        '[ONEHOP_OVERLOADED] orders.shop.local: as many calls are under way as maxPending.perOrigin allows (2)',
    })
    await expect.poll(held).toBe(2)
    release()
    expect(await Promise.all(calls)).toEqual(['ok', 'ok'])
    const again = get(client)
    await expect.poll(held).toBe(1)
    release()
    expect(await again).toBe('ok')
    expect(tasks[0]?.seen).toHaveLength(3)
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('counts calls that wait for discovery', async () => {
    const client = keep(clientOf(new Promise(() => undefined), { maxPending: { perOrigin: 1 } }))
    const waiting = get(client).catch((reason: unknown) => reason)
    await expect(get(client)).rejects.toBeInstanceOf(OverloadedError)
    await client.close()
    expect(await waiting).toMatchObject({ code: 'ONEHOP_CLOSED' })
  })
})

describe('maxPending.perTask', () => {
  test('sends what exceeds it to other tasks, and refuses what exceeds all', async () => {
    const { tasks, release, held } = await holding(3)
    const client = keep(clientOf(tasks, { maxPending: { perTask: 1 } }))
    const calls = [get(client), get(client), get(client)]
    await expect.poll(held).toBe(3)
    expect(tasks.map(({ seen }) => seen.length)).toEqual([1, 1, 1])
    await expect(get(client)).rejects.toThrow(
      '[ONEHOP_OVERLOADED] orders.shop.local: all endpoints that can take calls have as many as maxPending.perTask allows (1); no fallback configured',
    )
    release()
    await Promise.all(calls)
    const upstreams = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
    expect(upstreams.map(({ state, pending, failures }) => ({ state, pending, failures }))).toEqual(
      Array.from({ length: 3 }, () => ({ state: 'available', pending: 0, failures: 0 })),
    )
  })

  test('sends to the load balancer what exceeds all tasks', async () => {
    const { tasks, release, held } = await holding(1)
    const [balancer] = await servers(1)
    const client = keep(
      clientOf(tasks, { maxPending: { perTask: 2 }, fallback: `http://${balancer?.label}` }),
    )
    const calls = [get(client), get(client)]
    await expect.poll(held).toBe(2)
    for (let i = 0; i < 5; i++) expect(await get(client)).toBe(balancer?.label)
    release()
    await Promise.all(calls)
    expect(balancer?.seen).toHaveLength(5)
  })
})
