/** Real signals to a real process. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { OneTask } from './one-task.ts'
import type { TaskOrders } from './task/main.ts'

const OFF_ECS: TaskOrders = { kind: 'http', way: 'onehop', times: { finishMs: 1_500 } }
/** A window that no test waits for. */
const LONG: TaskOrders = { ...OFF_ECS, times: { ttlMs: 8_000, propagationMs: 2_000, finishMs: 8_000 } }
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
      await using task = await listening(OFF_ECS)
      task.signal(signal)
      expect(await task.exited).toMatchObject({ code: 0, signal: null })
      // By the process's own clock: a busy machine is late with the exit.
      expect(Number(/closed after (\d+) ms/.exec(task.output)?.[1])).toBeLessThan(1_000)
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
    const { code, tookMs } = await task.exited
    expect(code).toBe(1)
    expect(tookMs).toBeGreaterThan(1_400)
    expect(tookMs).toBeLessThan(3_000)
    expect(task.output).toContain('cut POST /endless')
  })
})

describe.concurrent('more signals', () => {
  test('the second one skips the window and cuts within 100 ms', async () => {
    await using task = await listening(LONG)
    const answer = await post(task, '/endless')
    const broken = answer.text().catch((error: unknown) => error)
    task.signal()
    await task.until(/draining/)
    await delay(200)
    task.signal()
    expect(await broken).toBeInstanceOf(Error)
    const { code, tookMs } = await task.exited
    expect(code).toBe(1)
    expect(tookMs).toBeLessThan(5_000)
    expect(Number(/; (\d+) ms after the last signal/.exec(task.output)?.[1])).toBeLessThan(100)
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
    for (let count = 0; count < 3; count++) {
      task.signal()
      await delay(150)
    }
    expect(await task.exited).toMatchObject({ code: 143, signal: null })
  })
})

test('`exit: false` leaves nothing that keeps the process alive', async () => {
  await using task = await OneTask.start({ ...OFF_ECS, exits: false })
  await task.until(/listening/)
  const kept = await post(task, '/orders')
  await kept.text()
  task.signal()
  expect(await task.exited).toMatchObject({ code: 0, signal: null })
  // Node's server would keep the connection for 5 s.
  expect((await task.exited).tookMs).toBeLessThan(4_000)
})
