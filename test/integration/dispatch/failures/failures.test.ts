/** Makes each failure of the table in docs/requests.md happen, and checks the table. */
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { manualClock } from 'onehop/testing'
import { buildConnector } from 'undici'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import type { TestServer } from '../../../support/servers.ts'

const { servers, keep } = resources()

const COLUMNS = [
  'may be sent again, whole body',
  'may be sent again, long stream',
  'must not, whole body',
  'must not, long stream',
] as const

interface Row {
  readonly task: string
  readonly seen: readonly string[]
}

function readTable(): Row[] {
  const lines = readFileSync(new URL('../../../../docs/requests.md', import.meta.url), 'utf8').split('\n')
  const rows = lines
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  const head = rows.findIndex(([first]) => first === 'the task')
  expect(rows[head]?.slice(1)).toEqual(COLUMNS)
  const from = rows.slice(head + 2)
  const end = from.findIndex((cells) => cells.length !== COLUMNS.length + 1)
  return from.slice(0, end).map(([task = '', ...seen]) => ({ task, seen }))
}

const EXPIRES = 'answers 408 with `connection: close`'

/** What the task does that is called first; undefined for one that cannot be reached. */
function answerOf(task: string): TestServer['answer'] | undefined {
  if (task.startsWith(EXPIRES))
    return (_request, response) => void response.writeHead(408, { connection: 'close' }).end('no')
  const status = /^answers (\d{3})$/.exec(task)?.[1]
  if (status !== undefined) return (_request, response) => void response.writeHead(Number(status)).end('no')
  switch (task) {
    case 'breaks off after the request':
      return (request) => void request.socket.destroy()
    case 'sends no headers in time':
      return () => undefined
    case 'sends a malformed response':
      return (request) => void request.socket.end('HELLO THERE\r\n\r\n')
    case 'sends headers over `pool.maxHeaderSize`':
      return (_request, response) => void response.writeHead(200, { 'x-long': 'v'.repeat(20_000) }).end()
    case 'breaks off in the response':
      return (request, response) => {
        response.writeHead(200, { 'content-length': 1_000 })
        response.write('the beginning', () => request.socket.destroy())
      }
    default:
      return undefined
  }
}

const CONNECT_MS = 500
const ATTEMPT_MS = 1_000
const LONG = 200_000
const SHORT = 20_000
const stream = (bytes: number): Readable =>
  Readable.from(Array.from({ length: bytes / 2_000 }, () => Buffer.alloc(2_000, 'x')))

type Body = () => string | Buffer | Readable | null
const WHOLE: Record<string, Body> = {
  none: () => null,
  string: () => 'x'.repeat(SHORT),
  buffer: () => Buffer.alloc(LONG, 'x'),
  'short stream': () => stream(SHORT),
}
const STREAMED: Record<string, Body> = { 'long stream': () => stream(LONG) }

const REPEATABLE = [
  { method: 'PUT' },
  { method: 'POST', headers: { 'idempotency-key': '1' } },
  { method: 'POST', idempotent: true },
]
const UNREPEATABLE = [{ method: 'POST' }, { method: 'PATCH' }, { method: 'PUT', idempotent: false }]

/** What the caller sees, in the words of the table. */
async function seenOf(task: string, request: { method: string }, body: Body): Promise<string> {
  const [bad, good] = (await servers(2)) as [TestServer, TestServer]
  const answer = answerOf(task)
  const isOld = task.endsWith('on an old connection')
  if (answer !== undefined && !isOld) bad.answer = answer
  const { label } = bad
  if (task === 'refuses the connection') await bad.kill()
  const connect = buildConnector({})
  const unreachable = task === 'does not connect in time' ? label.split(':')[0] : undefined
  // A limit of time is over where a row is about it, and nowhere else.
  const clock = manualClock()
  const client = keep(
    clientOf([label, good.label], {
      clock,
      timeouts: { connectMs: CONNECT_MS, attemptMs: ATTEMPT_MS },
      pool: {
        connect: (options, callback) => {
          if (options.hostname !== unreachable) connect(options, callback)
          else void clock.advance(CONNECT_MS)
        },
      },
    }),
  )
  if (task === 'sends no headers in time') bad.answer = () => void clock.advance(ATTEMPT_MS)
  if (answer !== undefined && isOld) {
    // Each of the two is called once, and undici uses a connection again some turns of the event loop after its response.
    for (let call = 0; call < 2; call++) await (await client.request(ORIGIN)).body.dump()
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    // The connections are from before the call.
    await clock.advance(1)
    bad.answer = answer
  }
  try {
    const response = await client.request(ORIGIN, { ...request, body: body() })
    const text = await response.body.text().catch(() => 'broke off')
    if (text === 'broke off') return 'the error, while reading'
    return response.statusCode === 200 && text === good.label
      ? 'answered by another'
      : `the ${response.statusCode}`
  } catch (error) {
    return `\`${(error as { code: string }).code}\``
  }
}

const table = readTable()

test('the table is there, whole', () => {
  expect(table.length).toBeGreaterThanOrEqual(15)
})

describe.each(table)('a task that $task', ({ task, seen }) => {
  const groups = [
    [REPEATABLE, WHOLE],
    [REPEATABLE, STREAMED],
    [UNREPEATABLE, WHOLE],
    [UNREPEATABLE, STREAMED],
  ] as const
  test.each(
    groups.map(([requests, bodies], index) => ({
      column: COLUMNS[index],
      requests,
      bodies,
      told: seen[index],
    })),
  )('$column: $told', async ({ requests, bodies, told }) => {
    const calls = requests.flatMap((request) =>
      Object.entries(bodies).map(async ([kind, body]) => ({
        request,
        kind,
        seen: await seenOf(task, request, body),
      })),
    )
    for (const call of await Promise.all(calls)) expect(call).toEqual({ ...call, seen: told })
  })
})
