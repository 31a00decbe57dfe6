import { once } from 'node:events'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { whenTcpSilent } from '../../../src/grpc/tcp-silence.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, TestServer } from '../../support/servers.ts'

const LIMIT_MS = 50
const { keep, servers } = resources()
const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

function placeOf(label: string): { host: string; port: number } {
  const [host = '', port] = label.split(':')
  return { host, port: Number(port) }
}

function connectTo(label: string): Socket {
  const socket = connect(placeOf(label)).on('error', () => undefined)
  sockets.push(socket)
  return socket
}

async function silence(): Promise<string> {
  const label = await refusingAddress('127.0.1.9')
  keep(await BlackHole.start('127.0.1.9', placeOf(label).port))
  return label
}

/** How often `silent` is called for an address. */
function watched(label: string): { readonly calls: () => number; readonly cancel: () => void } {
  const { host, port } = placeOf(label)
  let calls = 0
  const cancel = whenTcpSilent(host, port, LIMIT_MS, () => calls++)
  return { calls: () => calls, cancel }
}

test('an address that does not answer is silent, once, for each that waits', async () => {
  const label = await silence()
  const one = watched(label)
  connectTo(label)
  await expect.poll(one.calls).toBe(1)
  // A connection is under way when the second begins to wait.
  const two = watched(label)
  await expect.poll(two.calls).toBe(1)
  connectTo(label)
  await delay(2 * LIMIT_MS)
  expect([one.calls(), two.calls()]).toEqual([1, 1])
})

test('an address that answers, that refuses, or to which nothing connects, is not', async () => {
  const [task, other] = await servers(2)
  const labels = [task?.label ?? '', await refusingAddress(), other?.label ?? '']
  const all = labels.map(watched)
  for (const label of labels.slice(0, 2)) connectTo(label)
  await delay(4 * LIMIT_MS)
  expect(all.map(({ calls }) => calls())).toEqual([0, 0, 0])
  for (const { cancel } of all) cancel()
})

test('one socket that connects answers for all to its address', async () => {
  const label = await silence()
  const [task] = await servers(1)
  const toTask = watched(task?.label ?? '')
  const toSilence = watched(label)
  connectTo(label)
  connectTo(task?.label ?? '')
  await expect.poll(toSilence.calls).toBe(1)
  expect(toTask.calls()).toBe(0)
})

test('nothing is called after it was cancelled, and sockets have listeners only while something waits', async () => {
  const label = await silence()
  const cancelled = watched(label)
  const followed = connectTo(label)
  expect(followed.listenerCount('connectionAttempt')).toBe(1)
  cancelled.cancel()
  await delay(3 * LIMIT_MS)
  expect(cancelled.calls()).toBe(0)
  expect(connectTo(label).listenerCount('connectionAttempt')).toBe(0)
})

test('a wait that is cancelled twice does not end one that began later', async () => {
  const label = await silence()
  const first = watched(label)
  first.cancel()
  const second = watched(label)
  first.cancel()
  connectTo(label)
  await expect.poll(second.calls).toBe(1)
})

test('a name that leads from a silent address to one that answers', async () => {
  const label = await silence()
  const { port } = placeOf(label)
  const task = keep(await new TestServer().listen('127.0.1.1', port))
  const toSilence = watched(label)
  const toTask = watched(task.label)
  const addresses = ['127.0.1.9', '127.0.1.1'].map((address) => ({ address, family: 4 }))
  const lookup: LookupFunction = (_host, _options, callback) => callback(null, addresses)
  const socket = connect({
    host: 'tasks.example',
    port,
    lookup,
    autoSelectFamilyAttemptTimeout: 20 * LIMIT_MS,
  })
  sockets.push(socket.on('error', () => undefined))
  await once(socket, 'connect')
  expect([toSilence.calls(), toTask.calls()]).toEqual([1, 0])
  await delay(2 * LIMIT_MS)
  expect([toSilence.calls(), toTask.calls()]).toEqual([1, 0])
})
