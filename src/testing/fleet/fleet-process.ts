import { fork, type ChildProcess } from 'node:child_process'
import type { FleetTask, TaskPlace } from './fleet-task.ts'
import { checkFault } from '../fault.ts'
import type { Numbered, Order, Reply } from './task-process.ts'
import type { TaskServerOptions, TaskStats } from './task-server.ts'

/** A task in a process of its own. */
export async function startTaskProcess(
  place: TaskPlace,
  port: number,
  { tls, graceMs = 0 }: Pick<TaskServerOptions, 'tls' | 'graceMs'>,
): Promise<FleetTask> {
  // The twin of this file: sources run as they are, the package runs compiled.
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const script = new URL(`./task-process${extension}`, import.meta.url)
  // Neither NODE_OPTIONS nor execArgv: loaders, inspectors and conditions of the parent are not for it.
  const { NODE_OPTIONS: _options, ...env } = process.env
  const child = fork(script, { execArgv: [], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const remote = new Remote(child, place.id)
  let listening: number
  try {
    listening = (await remote.ask({ kind: 'listen', ...place, tls, port, graceMs })) as number
  } catch (error) {
    await remote.end('SIGKILL')
    throw error
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
    // Checked here: errors lose their class on their way from a process.
    set: async (fault) => order({ kind: 'set', fault: checkFault(fault) }),
    cut: () => order({ kind: 'cut' }),
    restore: () => order({ kind: 'restore' }),
    kill: () => remote.end('SIGKILL'),
    shutdown: () => remote.end('SIGTERM'),
    stop: async () => remote.stop(),
    resume: async () => remote.resume(),
  }
}

/** Children of this process. One that is stopped would not notice that this process ends. */
const running = new Set<ChildProcess>()

function killRunning(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** The parent's end of the channel to a task's process. */
class Remote {
  readonly #child: ChildProcess
  readonly #id: string
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  readonly #exited: Promise<void>
  #number = 0
  #stopped = false
  #gone = false
  alive = true

  constructor(child: ChildProcess, id: string) {
    this.#child = child
    this.#id = id
    this.#exited = new Promise((resolve) => {
      const end = (cause?: Error): void => {
        this.#bury(cause)
        resolve()
      }
      child.once('exit', () => end())
      // Without a pid it never began, and there will be no exit.
      child.on('error', (error) => child.pid === undefined && end(error))
    })
    child.on('message', (message) => this.#hear(message as Numbered<Reply>))
    if (running.size === 0) process.on('exit', killRunning)
    running.add(child)
  }

  ask(content: Order): Promise<unknown> {
    if (this.#gone) return Promise.reject(this.#hasEnded())
    if (this.#stopped)
      return Promise.reject(new Error(`${this.#id} is stopped, and hears nothing until resume()`))
    return new Promise((resolve, reject) => {
      const number = this.#number++
      this.#waiting.set(number, { resolve, reject })
      // It may have ended a moment ago, for reasons of its own.
      this.#child.send({ number, content } satisfies Numbered<Order>, (error) => {
        if (error === null) return
        this.alive = false
        if (this.#waiting.delete(number)) reject(this.#hasEnded(error))
      })
    })
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.alive = false
    if (!this.#gone) this.#child.kill(signal)
    await this.#exited
  }

  stop(): void {
    if (this.#gone) throw this.#hasEnded()
    this.#child.kill('SIGSTOP')
    this.#stopped = true
  }

  resume(): void {
    if (this.#gone) throw this.#hasEnded()
    this.#child.kill('SIGCONT')
    this.#stopped = false
  }

  #bury(cause: Error | undefined): void {
    this.alive = false
    this.#gone = true
    running.delete(this.#child)
    if (running.size === 0) process.off('exit', killRunning)
    for (const { reject } of this.#waiting.values()) reject(this.#hasEnded(cause))
    this.#waiting.clear()
  }

  #hear({ number, content }: Numbered<Reply>): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (content.ok) waiting?.resolve(content.value)
    else waiting?.reject(Object.assign(new Error(`${this.#id}: ${content.message}`), { code: content.code }))
  }

  #hasEnded(cause?: Error): Error {
    return new Error(`${this.#id} has ended`, cause === undefined ? undefined : { cause })
  }
}
