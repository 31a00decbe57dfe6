import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { end, isRunning } from './children.ts'

/** A task in a process of its own, which answers each order that it gets over the channel of `fork`. */
export class ForkedTask implements AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly #child: ChildProcess

  constructor(child: ChildProcess, address: string, port: number) {
    this.#child = child
    this.address = address
    this.port = port
  }

  /** `127.0.1.1:41234` */
  get label(): string {
    return `${this.address}:${this.port}`
  }

  get alive(): boolean {
    return isRunning(this.#child)
  }

  /** @returns the answer */
  async ask(order: object | string): Promise<unknown> {
    const answer = once(this.#child, 'message')
    this.#child.send(order)
    return (await answer)[0]
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Returns when it has ended. */
  kill(): Promise<void> {
    return end(this.#child)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

/** @returns the first message of a process that was forked. @throws Error if it ends before */
export async function firstMessage(child: ChildProcess): Promise<unknown> {
  const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[]
  if (!isRunning(child)) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`)
  return message
}
