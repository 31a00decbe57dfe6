/** What a client holds after many requests, and many tasks that came and went. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Memory } from './heap-process.ts'

const ADDRESSES = Array.from({ length: 16 }, (_, task) => `127.0.1.${1 + task}`)
/** 20 bytes for each of 150,000 requests, and 4 KiB for each of 750 changes. */
const NOISE_BYTES = 3e6

const servers: Server[] = []
let memory: Memory
/** Open at the end, by address. */
let connections: readonly number[]

beforeAll(async () => {
  let port = 0
  for (const address of ADDRESSES) {
    const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => void response.end('ok'))
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
    port = (server.address() as AddressInfo).port
    servers.push(server)
  }
  const child = fork(new URL('heap-process.ts', import.meta.url), [String(port)], {
    execArgv: ['--conditions=onehop:source', '--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  ;[memory] = (await Promise.race([once(child, 'message'), exited])) as [Memory]
  await exited
  connections = await Promise.all(servers.map(openOf))
}, 120_000)

afterAll(() => {
  for (const server of servers) server.close()
})

function openOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

test('200,000 requests leave nothing behind', () => {
  const [before, after] = memory.requests
  expect(after - before).toBeLessThan(NOISE_BYTES)
})

test('nor do 1,000 changes of the tasks, but for the pools of those that are there', () => {
  expect(memory.answered).toBeGreaterThan(1_000)
  const [before, after] = memory.changes
  expect(after - before).toBeLessThan(NOISE_BYTES)
  expect(memory.pools).toBeLessThanOrEqual(4)
})

test('nor a connection, when the client is closed', () => {
  expect(connections).toEqual(ADDRESSES.map(() => 0))
})
