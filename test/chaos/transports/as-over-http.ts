import { test } from 'vitest'
import type { Transport } from '../../support/transports/transports.ts'
import { expectFailures, holds, mostInFlight } from '../play.ts'
import { scenariosOver } from '../../../chaos/scenarios/transports.ts'

/** The bounds are those of the tests of the same names over HTTP. One file for each transport: files run beside one another. */
export function testAsOverHttp(transport: Transport): void {
  const { kill, hang, resetOnAccept, resetMidHeaders, deployment } = scenariosOver(transport)

  test('a killed task fails no call but the POSTs that were in flight on it', async () => {
    await holds(kill, (played) => expectFailures(played, { POST: mostInFlight(played, 3, 1 / 4) }))
  })

  test('a hung task costs no GET with attemptMs: 250, and few POSTs', async () => {
    await holds(hang, (played) => expectFailures(played, { POST: 3 }))
  })

  test('a task that resets connections as it takes them fails no GET', async () => {
    await holds(resetOnAccept, (played) => expectFailures(played, { POST: 6 }))
  })

  test('a task that resets connections within its headers fails no GET', async () => {
    await holds(resetMidHeaders, (played) => expectFailures(played, { POST: 6 }))
  })

  test('a deployment that replaces all tasks fails nothing', async () => {
    await holds(deployment, expectFailures)
  })
}
