/**
 * A task of the lifecycle tests, in a process of its own: `TASK` says what it is, how it leaves, and whether it registers
 * itself; `HOST` and `PORT` where it listens.
 */
import { onEvent } from '../../../src/core/events.ts'
import type { Registration } from '../../../src/ecs/index.ts'
import { WAYS, type Times, type Way } from './leave.ts'
import { SERVICES, type Kind } from './servers.ts'

/** The variable `TASK`, as JSON. */
export interface TaskOrders {
  readonly kind: Kind
  readonly way: Way
  readonly times?: Partial<Times>
  /** Id of the Cloud Map service that it registers itself in [none: ECS does]. */
  readonly service?: string
}

const { kind, way, times = {}, service } = JSON.parse(process.env['TASK'] ?? '{}') as TaskOrders
const host = process.env['HOST'] ?? '127.0.0.1'
const port = Number(process.env['PORT'])

onEvent('onehop:shutdown.changed', ({ to, sinceMs, inFlight }) =>
  console.log(`${to} after ${Math.round(sinceMs)} ms, ${inFlight} under way`),
)
onEvent('onehop:shutdown.cut', ({ cut }) => console.log(`cut ${cut.join(', ')}`))

let registration: Registration | undefined
if (service !== undefined) {
  const { register } = await import('../../../src/ecs/index.ts')
  registration = register({ services: { service, port } })
}
const app = await SERVICES[kind]()
await WAYS[way](app, times, registration)
await app.listen(port, host)
console.log('listening')
