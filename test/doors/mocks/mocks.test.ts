/**
 * What the mocks of others do to the calls of a client: the table of docs/testing.md. Each row is a process, once with the
 * mock started before onehop was imported and once after the client was made.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, test } from 'vitest'
import { MOCKS } from './mocks.ts'
import type { Seen } from './probe.ts'

/** Nothing is mocked. */
const TASK: Seen = { handled: 'task', unhandled: 'task' }
/** Mocked by the name of the service. */
const BY_NAME: Seen = { handled: 'mock', url: 'http://orders.shop.local/mocked', unhandled: 'task' }
/** Mocked by the address of the task. */
const BY_ADDRESS: Seen = { handled: 'mock', url: 'http://TASK/mocked', unhandled: 'task' }

/** Another host has no tasks. */
const BY_OTHER: Seen = { handled: 'mock', url: 'http://OTHER/mocked', unhandled: 'task' }
type Row = Readonly<Record<string, Seen>>

const UNSEEN: Row = {
  'client.fetch': TASK,
  'client.fetch(Request)': TASK,
  'client.request': TASK,
  'client.fetch, another host': TASK,
}
/** They put an agent of their own in the place of each other one. */
const AGENT_REPLACED: Row = { ...UNSEEN, OnehopHttpAgent: BY_NAME, 'global fetch': BY_ADDRESS }
const HTTP: Row = { ...UNSEEN, OnehopHttpAgent: BY_ADDRESS, 'global fetch': BY_ADDRESS }
const MOCK_AGENT: Row = { ...UNSEEN, OnehopHttpAgent: TASK, 'global fetch': BY_ADDRESS }

const BEFORE: Readonly<Record<string, Row>> = {
  'MockAgent, global': { ...MOCK_AGENT, 'client.fetch, another host': BY_OTHER },
  // A Request of Node goes through the `fetch` that was global when onehop was imported.
  'msw 2': { ...AGENT_REPLACED, 'client.fetch(Request)': BY_NAME },
  'msw 3': HTTP,
  'nock 14': { ...AGENT_REPLACED, 'client.fetch(Request)': BY_NAME },
  'nock 15': { ...mapped(HTTP, BY_ADDRESS), 'client.fetch, another host': BY_OTHER },
  '@mswjs/interceptors': HTTP,
}
const AFTER: Readonly<Record<string, Row>> = {
  ...BEFORE,
  'MockAgent, global': MOCK_AGENT,
  'msw 2': AGENT_REPLACED,
  'nock 14': AGENT_REPLACED,
}

function mapped(row: Row, seen: Seen): Row {
  return Object.fromEntries(Object.keys(row).map((way) => [way, seen]))
}

/** A process each, which loads the mock and the client. */
const TIMEOUT_MS = 100_000

async function probe(name: string, order: string): Promise<Row> {
  const flags = ['--conditions=onehop:source', `${import.meta.dirname}/probe.ts`, name, order]
  const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: TIMEOUT_MS })
  // msw 3 prints warnings.
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Row
}

describe.concurrent.each(Object.keys(MOCKS))('%s', { timeout: TIMEOUT_MS }, (name) => {
  test('started before onehop is imported: what it answers, and what passes', async ({ expect }) => {
    expect(await probe(name, 'before')).toEqual(BEFORE[name])
  })

  test('started after the client was made: what it answers, and what passes', async ({ expect }) => {
    expect(await probe(name, 'after')).toEqual(AFTER[name])
  })
})
