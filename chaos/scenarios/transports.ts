/** What befalls tasks, over each of the transports beside plain HTTP: a crash, a hang, resets, a deployment. */
import type { Transport } from '../../test/support/transports/transports.ts'
import type { Scenario } from '../stage.ts'
import { resetMidHeaders, resetOnAccept } from './breaks.ts'
import { hangWithLimit, kill } from './crashes.ts'
import { deployment } from './deployments.ts'

/** A task that hangs has its kernel take connections, and shakes no hands: with TLS that is a connection not made. */
const hang: Scenario = { ...hangWithLimit, options: { timeouts: { attemptMs: 250, connectMs: 250 } } }

type Name = 'kill' | 'hang' | 'resetOnAccept' | 'resetMidHeaders' | 'deployment'

export function scenariosOver(transport: Transport): Readonly<Record<Name, Scenario>> {
  const over = (scenario: Scenario): Scenario => ({
    ...scenario,
    name: `${scenario.name}, ${transport.name}`,
    transport,
  })
  return {
    kill: over(kill),
    hang: over(hang),
    resetOnAccept: over(resetOnAccept),
    resetMidHeaders: over(resetMidHeaders),
    deployment: over(deployment),
  }
}
