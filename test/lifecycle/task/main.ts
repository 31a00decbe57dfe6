/**
 * A task of the lifecycle tests, in a process of its own: `TASK` says what it is, how it leaves, and whether it registers
 * itself; `HOST` and `PORT` where it listens.
 */
import { createServer } from 'node:http'
import { onEvent } from '../../../src/core/events.ts'
import { register, type Registration } from '../../../src/ecs/index.ts'
import { WAYS, type Times, type Way } from './leave.ts'
import { handle, SERVICES, type Kind } from './servers.ts'

/** The variable `TASK`, as JSON. */
export interface TaskOrders {
  readonly kind: Kind
  readonly way: Way
  readonly times?: Partial<Times>
  /** Id of the Cloud Map service that it registers itself in [none: ECS does]. */
  readonly service?: string
  /** Path of its readiness checks [none: ready at once]. */
  readonly ready?: string
  /** Between looks at what is registered, in ms [60000]. */
  readonly verifyMs?: number
  /** Whether `onClose` never ends [false]. */
  readonly hangs?: boolean
  /** [true] */
  readonly exits?: boolean
  /** `keepAliveTimeout` of the server, in ms [Node's 5 s]. */
  readonly keepAliveMs?: number
  /** A second port, with an entry of its own in the same service. */
  readonly secondPort?: number
}

const {
  kind,
  way,
  times = {},
  service,
  ready,
  secondPort,
  keepAliveMs,
  hangs = false,
  exits = true,
  verifyMs,
} = JSON.parse(process.env['TASK'] ?? '{}') as TaskOrders
const host = process.env['HOST'] ?? '127.0.0.1'
const port = Number(process.env['PORT'])

onEvent('onehop:shutdown.changed', ({ to, sinceMs, inFlight }) =>
  console.log(`${to} after ${Math.round(sinceMs)} ms, ${inFlight} under way`),
)
onEvent('onehop:registration.changed', ({ to, error }) => console.log(`${to} ${error?.message ?? ''}`.trim()))
onEvent('onehop:registration.lost', ({ id, error }) => console.log(`lost ${id}: ${error.message}`))
// By the process's own clock: a busy machine is late with signals.
let signalledAt = 0
let signals = 0
/** More than signals that count as one may be apart. */
const APART_MS = 100
if (way === 'onehop')
  process.on('SIGTERM', () => {
    signalledAt = performance.now()
    const number = ++signals
    // After the timers of the shutdown, and what they wait for.
    setTimeout(
      () => setImmediate(() => setImmediate(() => console.log(`signal ${number} is over`))),
      APART_MS,
    ).unref()
  })
onEvent('onehop:shutdown.cut', ({ cut }) =>
  console.log(
    `cut ${cut.join(', ')}; ${Math.round(performance.now() - signalledAt)} ms after the last signal`,
  ),
)

let registration: Registration | undefined
if (service !== undefined) {
  const ports = secondPort === undefined ? [port] : [port, secondPort]
  registration = register({
    services: ports.map((each) => ({ service, port: each })),
    verifyMs,
    ...(ready === undefined ? {} : { ready, readiness: { everyMs: 100, fails: 1 } }),
  })
}
const app = await SERVICES[kind]()
if (keepAliveMs !== undefined) Object.assign(app.server, { keepAliveTimeout: keepAliveMs })
const second = secondPort === undefined ? undefined : createServer(handle).listen(secondPort, host)
const all = second === undefined ? app : { ...app, servers: [app.servers, second].flat() }
await WAYS[way](
  hangs ? { ...all, close: () => new Promise(() => undefined) } : all,
  { ...times, exit: exits },
  registration,
)
console.log('installed')
await app.listen(port, host)
console.log('listening')
