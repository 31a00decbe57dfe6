import { expect, test } from 'vitest'
import { newSetUp, trySetUp, type SetUp } from '../../../src/bench/arms/set-up.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { madeUpSettings } from '../../support/bench/bench-run.ts'
import { WorldServer, type World } from '../../support/transports/worlds.ts'

const TRIES = 3
const UNENDED = new AbortController().signal

async function setUpOf(world: World): Promise<SetUp> {
  await using server = await WorldServer.start(world, (_request, response) => void response.end('fine'))
  const [address = '', port = ''] = server.label.split(':')
  const scheme = world === 'http' ? 'http' : 'https'
  const settings = madeUpSettings({
    url: new URL(`${scheme}://orders.shop.local:${port}/`),
    fallback: new URL(`${scheme}://${address}:${port}`),
    allowH2: world === 'h2',
    // The certificate has names, and no address.
    tls: { rejectUnauthorized: false },
  })
  const results = newSetUp()
  for (let turn = 0; turn < TRIES; turn++)
    await trySetUp('fallback', settings, systemClock, 5_000, turn, results, UNENDED)
  return results
}

test.for(['http', 'https', 'h2'] as const)(
  '%s: connection, handshake, resumed handshake, first and second call',
  async (world) => {
    const { tcpMs, tlsMs, resumedMs, coldCallMs, warmCallMs, lookupMs, failed } = await setUpOf(world)
    expect(failed).toBe(0)
    expect(tcpMs).toHaveLength(TRIES)
    expect(coldCallMs).toHaveLength(TRIES)
    expect(warmCallMs).toHaveLength(TRIES)
    const handshakes = world === 'http' ? 0 : TRIES
    expect(tlsMs).toHaveLength(handshakes)
    expect(resumedMs).toHaveLength(handshakes)
    // An address is not looked up.
    expect(lookupMs).toEqual([])
  },
)

test('what cannot be reached is counted, and ends', async () => {
  const settings = madeUpSettings({ fallback: new URL('http://127.0.0.1:1') })
  const results = newSetUp()
  await trySetUp('undici', settings, systemClock, 1_000, 0, results, UNENDED)
  expect(results.failed).toBeGreaterThan(0)
  expect(results.tcpMs).toEqual([])
})
