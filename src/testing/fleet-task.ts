import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Numbered, Order, Reply } from './task-process.ts'
import { TaskServer, type Fault, type TaskServerOptions, type TaskStats } from './task-server.ts'

/** One task of a fleet. */
export interface FleetTask {
  /** `task-1`, as in the `task` field and the `x-task` header of its answers. */
  readonly id: string
  readonly address: string
  /** Where a load balancer reaches it, whatever `cut` does; the same as `address` where there is but one. */
  readonly backAddress: string
  readonly port: number
  readonly zone: string | undefined
  /** undefined for a task within this process. */
  readonly pid: number | undefined
  /** Neither killed nor shut down. */
  readonly alive: boolean
  stats(): Promise<TaskStats>
  /** From the next request on. `{ kind: 'none' }` ends a fault. */
  set(fault: Fault): Promise<void>
  /** Refuses new clients and sends those connected away with their next answer; the back side goes on. */
  cut(): Promise<void>
  /** Takes clients again, on the same address and port. */
  restore(): Promise<void>
  /** SIGKILL for a process; within this process, every connection is reset at once. */
  kill(): Promise<void>
  /** Processes only: SIGSTOP. It keeps its connections and accepts new ones, and does nothing. */
  stop(): Promise<void>
  /** Processes only: SIGCONT. */
  resume(): Promise<void>
  /** As on SIGTERM: takes no more connections, answers what it has taken, ends. */
  shutdown(): Promise<void>
}

export interface TaskPlace {
  readonly id: string
  readonly zone: string | undefined
  readonly address: string
  readonly backAddress: string
}

/** A task within this process. */
export async function startLocalTask(
  place: TaskPlace,
  port: number,
  options: Pick<TaskServerOptions, 'handler' | 'tls'>,
): Promise<FleetTask> {
  const server = new TaskServer({ ...options, id: place.id, zone: place.zone })
  await server.listen(place.address, place.backAddress, port)
  let alive = true
  const end = async (how: 'kill' | 'shutdown'): Promise<void> => {
    if (!alive) return
    alive = false
    await server[how]()
  }
  const onlyProcesses = (): Promise<never> =>
    Promise.reject(
      new Error(
        `${place.id} runs within this process, which cannot stop itself: startFleet({ processes: true })`,
      ),
    )
  return {
    ...place,
    port: server.port,
    pid: undefined,
    get alive() {
      return alive
    },
    stats: () => Promise.resolve(server.stats()),
    set: (fault) => Promise.resolve(server.set(fault)),
    cut: () => Promise.resolve(server.cut()),
    restore: () => server.restore(),
    kill: () => end('kill'),
    shutdown: () => end('shutdown'),
    stop: onlyProcesses,
    resume: onlyProcesses,
  }
}

/** A task in a process of its own. */
export async function startTaskProcess(
  place: TaskPlace,
  port: number,
  tls: TaskServerOptions['tls'],
): Promise<FleetTask> {
  // The twin of this file: sources run as they are, the package runs compiled.
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const script = new URL(`./task-process${extension}`, import.meta.url)
  const { NODE_OPTIONS: _options, ...env } = process.env
  const child = fork(script, { execArgv: [], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const remote = new Remote(child, place.id)
  let listening: number
  try {
    listening = (await remote.ask({ kind: 'listen', ...place, tls, port })) as number
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  const signal = (name: NodeJS.Signals): Promise<void> => {
    child.kill(name)
    return Promise.resolve()
  }
  const order = async (content: Order): Promise<void> => void (await remote.ask(content))
  return {
    ...place,
    port: listening,
    pid: child.pid,
    get alive() {
      return remote.alive
    },
    stats: async () => (await remote.ask({ kind: 'stats' })) as TaskStats,
    set: (fault) => order({ kind: 'set', fault }),
    cut: () => order({ kind: 'cut' }),
    restore: () => order({ kind: 'restore' }),
    kill: () => remote.end('SIGKILL'),
    shutdown: () => remote.end('SIGTERM'),
    stop: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
  }
}

/** The parent's end of the channel to a task's process. */
class Remote {
  readonly #child: ChildProcess
  readonly #id: string
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  readonly #exited: Promise<unknown>
  #number = 0
  alive = true

  constructor(child: ChildProcess, id: string) {
    this.#child = child
    this.#id = id
    this.#exited = once(child, 'exit')
    child.on('message', (message) => this.#hear(message as Numbered<Reply>))
    child.once('exit', () => {
      this.alive = false
      for (const { reject } of this.#waiting.values()) reject(this.#gone())
      this.#waiting.clear()
    })
  }

  ask(content: Order): Promise<unknown> {
    if (!this.alive) return Promise.reject(this.#gone())
    return new Promise((resolve, reject) => {
      const number = this.#number++
      this.#waiting.set(number, { resolve, reject })
      this.#child.send({ number, content } satisfies Numbered<Order>)
    })
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.alive) return
    this.alive = false
    this.#child.kill(signal)
    await this.#exited
  }

  #hear({ number, content }: Numbered<Reply>): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (content.ok) waiting?.resolve(content.value)
    else waiting?.reject(Object.assign(new Error(`${this.#id}: ${content.message}`), { code: content.code }))
  }

  #gone(): Error {
    return new Error(`${this.#id} has ended`)
  }
}
