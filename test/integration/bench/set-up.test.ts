import { expect, test } from 'vitest'
import { SetUpTries, type SetUp } from '../../../src/bench/arms/set-up.ts'
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
  const tries = new SetUpTries('fallback', settings, systemClock, 25_000)
  for (let turn = 0; turn < TRIES; turn++) await tries.next(UNENDED)
  return tries.results
}

test.for(['http', 'https', 'h2'] as const)(
  '%s: connection, handshake, resumed handshake, first and second call',
  async (world) => {
    const { ms, failed } = await setUpOf(world)
    expect(failed).toBe(0)
    expect(ms.tcp).toHaveLength(TRIES)
    expect(ms.coldCall).toHaveLength(TRIES)
    expect(ms.warmCall).toHaveLength(TRIES)
    const handshakes = world === 'http' ? 0 : TRIES
    expect(ms.tls).toHaveLength(handshakes)
    expect(ms.tlsResumed).toHaveLength(handshakes)
    // An address is not looked up.
    expect(ms.lookup).toEqual([])
  },
)

test('what cannot be reached is counted, and ends', async () => {
  const settings = madeUpSettings({ fallback: new URL('http://127.0.0.1:1') })
  const tries = new SetUpTries('undici', settings, systemClock, 1_000)
  await tries.next(UNENDED)
  expect(tries.results.failed).toBeGreaterThan(0)
  expect(tries.results.ms.tcp).toEqual([])
})
