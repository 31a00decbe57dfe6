/**
 * A task in a process of its own, which can be killed and stopped as a whole. Takes orders over the channel of
 * `fork`, and ends with its parent.
 */
import type { Fault } from '../fault.ts'
import type { TaskPlace, TaskTls } from './fleet-task.ts'
import { TaskServer } from './task-server.ts'

/** What the parent asks for, and what comes back under the same number. */
export type Order =
  | (TaskPlace & {
      readonly kind: 'listen'
      readonly port: number
      readonly tls: TaskTls | undefined
      readonly graceMs: number
    })
  | { readonly kind: 'set'; readonly fault: Fault }
  | { readonly kind: 'cut' | 'restore' | 'stats' }

export interface Numbered<Content> {
  readonly number: number
  readonly content: Content
}

export type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string }

let server: TaskServer | undefined

async function obey(order: Order): Promise<unknown> {
  if (order.kind === 'listen') {
    server = new TaskServer(order, order)
    await server.listen(order.port)
    return server.port
  }
  if (order.kind === 'set') return server?.set(order.fault)
  return server?.[order.kind]()
}

process.on('message', ({ number, content }: Numbered<Order>) => {
  const reply = (answer: Reply): void => void process.send?.({ number, content: answer })
  obey(content).then(
    (value) => reply({ ok: true, value }),
    (error: NodeJS.ErrnoException) => reply({ ok: false, code: error.code ?? '', message: error.message }),
  )
})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => void Promise.resolve(server?.shutdown()).then(() => process.exit(0)))
