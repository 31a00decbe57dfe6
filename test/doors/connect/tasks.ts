/** Tasks of the service Orders as processes, on 127.0.1.1, 127.0.1.2, ... with one port. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cert, key } from '../../support/transports/tls.ts'
import type { TaskFault, TaskStats, TaskWorld } from './task.ts'

export class Task implements AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, address: string, port: number) {
    this.#child = child
    this.address = address
    this.port = port
  }

  static async start(world: TaskWorld, address: string, port = 0): Promise<Task> {
    const script = new URL('./task.ts', import.meta.url)
    const { NODE_OPTIONS: _options, ...env } = process.env
    const child = fork(script, [world, address, String(port), key, cert], { execArgv: [], env })
    const [news] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[]
    if (typeof news !== 'number' || child.exitCode !== null) throw new Error(`no task on ${address}:${port}`)
    return new Task(child, address, news)
  }

  get label(): string {
    return `${this.address}:${this.port}`
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async set(fault: TaskFault): Promise<void> {
    await this.#ask(fault)
  }

  async stats(): Promise<TaskStats> {
    return (await this.#ask('stats')) as TaskStats
  }

  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  async kill(): Promise<void> {
    if (!this.alive) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  async #ask(message: TaskFault | 'stats'): Promise<unknown> {
    const answer = once(this.#child, 'message')
    this.#child.send(message)
    return (await answer)[0]
  }
}

export async function startTasks(world: TaskWorld, count: number): Promise<Task[]> {
  const first = await Task.start(world, '127.0.1.1')
  const others = Array.from({ length: count - 1 }, (_, index) =>
    Task.start(world, `127.0.1.${index + 2}`, first.port),
  )
  return [first, ...(await Promise.all(others))]
}
