import { fork, type ChildProcess } from 'node:child_process'
import { endWithThisProcess } from '../child-processes.ts'
import { checkFault, type Fault } from '../fault.ts'
import type { FleetTask, TaskPlace, TaskStats, TaskTls } from './fleet-task.ts'
import type { Numbered, Order, Reply } from './task-process.ts'

/** Starts a task in a process of its own. */
export async function startTaskProcess(
  place: TaskPlace,
  port: number,
  { tls, graceMs }: { readonly tls: TaskTls | undefined; readonly graceMs: number },
): Promise<FleetTask> {
  // The twin of this file: sources run as they are, the package runs compiled.
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const script = new URL(`./task-process${extension}`, import.meta.url)
  // Neither NODE_OPTIONS nor execArgv: loaders, inspectors and conditions of the parent are not for it.
  const { NODE_OPTIONS: _options, ...env } = process.env
  const child = fork(script, { execArgv: [], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const task = new TaskProcess(child, place)
  try {
    await task.listen(port, tls, graceMs)
  } catch (error) {
    await task.kill()
    throw error
  }
  return task
}

/** The parent's end of the channel to a task's process. */
class TaskProcess implements FleetTask {
  readonly id: string
  readonly zone: string | undefined
  readonly address: string
  readonly backAddress: string
  port = 0
  /** Neither asked to end, nor ended. */
  alive = true
  readonly #child: ChildProcess
  readonly #place: TaskPlace
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #exited: Promise<void>
  #number = 0
  #stopped = false
  #gone = false

  constructor(child: ChildProcess, place: TaskPlace) {
    this.id = place.id
    this.zone = place.zone
    this.address = place.address
    this.backAddress = place.backAddress
    this.#child = child
    this.#place = place
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
    endWithThisProcess(child)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  async listen(port: number, tls: TaskTls | undefined, graceMs: number): Promise<void> {
    this.port = (await this.#ask({ kind: 'listen', ...this.#place, port, tls, graceMs })) as number
  }

  async stats(): Promise<TaskStats> {
    return (await this.#ask({ kind: 'stats' })) as TaskStats
  }

  async set(fault: Fault): Promise<void> {
    // Checked here: errors lose their class on their way from a process.
    await this.#ask({ kind: 'set', fault: checkFault(fault) })
  }

  async cut(): Promise<void> {
    await this.#ask({ kind: 'cut' })
  }

  async restore(): Promise<void> {
    await this.#ask({ kind: 'restore' })
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  shutdown(): Promise<void> {
    return this.#end('SIGTERM')
  }

  async stop(): Promise<void> {
    this.#signal('SIGSTOP')
    this.#stopped = true
  }

  async resume(): Promise<void> {
    this.#signal('SIGCONT')
    this.#stopped = false
  }

  #ask(content: Order): Promise<unknown> {
    if (this.#gone) return Promise.reject(this.#hasEnded())
    if (this.#stopped)
      return Promise.reject(new Error(`${this.id} is stopped, and hears nothing until resume()`))
    const number = this.#number++
    const answer = Promise.withResolvers<unknown>()
    this.#waiting.set(number, answer)
    // It may have ended a moment ago, for reasons of its own.
    this.#child.send({ number, content } satisfies Numbered<Order>, (error) => {
      if (error === null) return
      this.alive = false
      if (this.#waiting.delete(number)) answer.reject(this.#hasEnded(error))
    })
    return answer.promise
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.alive = false
    if (!this.#gone) this.#child.kill(signal)
    await this.#exited
  }

  #signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.#gone) throw this.#hasEnded()
    this.#child.kill(signal)
  }

  #bury(cause: Error | undefined): void {
    this.alive = false
    this.#gone = true
    for (const { reject } of this.#waiting.values()) reject(this.#hasEnded(cause))
    this.#waiting.clear()
  }

  #hear({ number, content }: Numbered<Reply>): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (content.ok) waiting?.resolve(content.value)
    else waiting?.reject(Object.assign(new Error(`${this.id}: ${content.message}`), { code: content.code }))
  }

  #hasEnded(cause?: Error): Error {
    return new Error(`${this.id} has ended`, cause === undefined ? undefined : { cause })
  }
}
