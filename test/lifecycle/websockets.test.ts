/** WebSockets of the package `ws`, and the client of Node. */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { OneTask } from './one-task.ts'

const script = new URL('./task/websockets.ts', import.meta.url).pathname

/** @param finishMs how long the client may take to answer */
async function closing(
  how: 'drain' | 'close' | 'not',
  finishMs: number,
): Promise<{ code: number; exit: number | null }> {
  await using task = await OneTask.start(
    { kind: 'http', way: 'onehop' },
    { env: { CLOSES: how, FINISH_MS: String(finishMs) }, script },
  )
  await task.until(/listening/)
  const socket = new WebSocket(task.origin.replace('http', 'ws'))
  await once(socket, 'open')
  const closed = once(socket, 'close')
  task.signal()
  const [event] = (await closed) as [{ readonly code: number }]
  return { code: event.code, exit: (await task.exited).code }
}

test('`onDrain` closes them: the client gets the code, and nothing is cut', async () => {
  expect(await closing('drain', 20_000)).toEqual({ code: 1_001, exit: 0 })
})

test('`{ close }` closes them at the end of the window', async () => {
  expect(await closing('close', 20_000)).toEqual({ code: 1_001, exit: 0 })
})

test('without either they are cut after finishMs, and the exit code says so', async () => {
  expect(await closing('not', 500)).toEqual({ code: 1_006, exit: 1 })
})
