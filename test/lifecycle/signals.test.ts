/** Real signals to a real process. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { OneTask } from './one-task.ts'
import type { TaskOrders } from './task/main.ts'

const OFF_ECS: TaskOrders = { kind: 'http', way: 'onehop', times: { finishMs: 1_500 } }
/** Limits that no test waits for. */
const LIMITS = { stopTimeoutMs: 200_000, finishMs: 60_000, closeMs: 60_000 }
/** With a window that no test waits for. */
const LONG: TaskOrders = { ...OFF_ECS, times: { ...LIMITS, ttlMs: 60_000, propagationMs: 2_000 } }
/** Far less than these, and many times what a busy machine takes. */
const SOON_MS = 20_000
const post = (task: OneTask, path: string): Promise<Response> =>
  fetch(`${task.origin}${path}`, { method: 'POST', body: '{}' })

async function listening(orders: TaskOrders): Promise<OneTask> {
  const task = await OneTask.start(orders)
  await task.until(/listening/)
  return task
}

describe.concurrent('one signal', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: off ECS an idle task ends at once, with 0',
    async (signal) => {
      await using task = await listening({ ...OFF_ECS, times: LIMITS })
      task.signal(signal)
      expect(await task.exited).toMatchObject({ code: 0, signal: null })
      // It waits for none of its limits.
      expect(task.closedAfterMs).toBeLessThan(SOON_MS)
    },
  )

  test('before it listens', async () => {
    await using task = await OneTask.start(OFF_ECS)
    await task.until(/installed/)
    task.signal()
    expect(await task.exited).toMatchObject({ code: 0 })
  })

  test('a slow answer is finished', async () => {
    await using task = await listening(OFF_ECS)
    const answer = post(task, '/slow=700')
    await task.until(/slow work begins/)
    task.signal()
    expect(await (await answer).json()).toMatchObject({ ok: true })
    expect(await task.exited).toMatchObject({ code: 0 })
  })

  test('an endless one is cut after finishMs, with exit code 1', async () => {
    await using task = await listening(OFF_ECS)
    const answer = await post(task, '/endless')
    task.signal()
    await expect(answer.text()).rejects.toThrow()
    const { code } = await task.exited
    expect(code).toBe(1)
    const cutMs = Number(/cut POST \/endless; (\d+) ms after the last signal/.exec(task.output)?.[1])
    expect(cutMs).toBeGreaterThan(1_400)
    // By `stopTimeoutMs` it would be cut after 27 s.
    expect(cutMs).toBeLessThan(SOON_MS)
  })
})

describe.concurrent('more signals', () => {
  test('the second one skips the window and cuts what is under way', async () => {
    await using task = await listening(LONG)
    const answer = await post(task, '/endless')
    const broken = answer.text().catch((error: unknown) => error)
    task.signal()
    await task.until(/signal 1 is over/)
    task.signal()
    expect(await broken).toBeInstanceOf(Error)
    expect((await task.exited).code).toBe(1)
    // Within 100 ms of a machine that is not busy: the unit tests, on virtual time.
    expect(Number(/; (\d+) ms after the last signal/.exec(task.output)?.[1])).toBeLessThan(SOON_MS)
  })

  test('two at once are one: Ctrl-C reaches the process group, and npm passes it on', async () => {
    await using task = await listening(LONG)
    task.signal('SIGINT')
    task.signal('SIGINT')
    await task.until(/draining/)
    await delay(300)
    expect(await (await post(task, '/orders')).json()).toMatchObject({ ok: true })
  })

  test('the third ends the process with 128 + n', async () => {
    await using task = await OneTask.start({ ...LONG, hangs: true })
    await task.until(/listening/)
    for (const number of [1, 2]) {
      task.signal()
      await task.until(new RegExp(`signal ${number} is over`))
    }
    task.signal()
    expect(await task.exited).toMatchObject({ code: 143, signal: null })
  })
})

test('`exit: false` leaves nothing that keeps the process alive', async () => {
  await using task = await OneTask.start({ ...OFF_ECS, exits: false, keepAliveMs: 60_000 })
  await task.until(/listening/)
  const kept = await post(task, '/orders')
  await kept.text()
  task.signal()
  expect(await task.exited).toMatchObject({ code: 0, signal: null })
  // Node's server would keep the connection for a minute.
  expect((await task.exited).tookMs).toBeLessThan(SOON_MS)
})
