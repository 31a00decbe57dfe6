/**
 * Aborts uploads over HTTP/2 that a task does not read, and tells that it has come to its end. With `refused`, undici ends
 * them by itself, after `bodyTimeout`.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { createClient, staticResolver } from 'onehop'
import { originIn, poolIn, WorldServer } from '../transports/worlds.ts'

const UPLOADS = 400

let unhandled = 0
process.on('uncaughtException', () => unhandled++)
process.on('unhandledRejection', () => unhandled++)

if (process.argv[2] === 'task') {
  // One of three is read, the others are not.
  const server = await WorldServer.start('h2', (request, response) => {
    if (request.url === '/0') request.pipe(response)
    if (request.url === '/refused') response.writeHead(200).write('x'.repeat(1_000))
  })
  process.send?.(server.label)
  await once(process, 'disconnect')
  process.exit()
}
// A process of its own: what spins is then the client.
const task = fork(import.meta.filename, ['task'])
const [label] = (await once(task, 'message')) as [string]
const isRefused = process.argv[2] === 'refused'
const client = createClient({
  discovery: staticResolver({ 'orders.shop.local': [label] }),
  services: { 'orders.shop.local': {} },
  pool: poolIn('h2', isRefused ? { bodyTimeout: 30 } : {}),
  retry: false,
  outlier: false,
})
const bodies = [
  (): string => 'x'.repeat(300_000),
  (): string => 'x',
  (): Readable => Readable.from(['x'.repeat(70_000), 'x'.repeat(70_000)]).on('error', () => undefined),
  async function* body(): AsyncGenerator<string> {
    yield 'x'
    await new Promise((resolve) => setTimeout(resolve, 5))
    yield 'x'.repeat(70_000)
  },
]
let aborted = 0

async function leave(abort: AbortController, afterMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  abort.abort(new Error('left'))
  aborted++
}

const calls: Promise<unknown>[] = []
for (let upload = 0; upload < UPLOADS; upload++) {
  const abort = new AbortController()
  const body = bodies[upload % bodies.length]?.() as string
  const url = `${originIn('h2')}/${isRefused ? 'refused' : upload % 3}`
  const call = client.request(url, { method: 'PUT', body, signal: isRefused ? null : abort.signal })
  calls.push(call.then((response) => response.body.text()).catch(() => undefined))
  calls.push(leave(abort, upload % 40))
  if (upload % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
}
await Promise.all(calls)
await client.close({ withinMs: 500 })
// Node 22's HTTP/2 server ends by SIGSEGV in one of ten runs. The client is what is tested here.
if (task.connected) task.disconnect()
console.log(JSON.stringify({ aborted, unhandled }))
