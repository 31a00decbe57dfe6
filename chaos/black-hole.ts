import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { hasEnded, killOnInterruption } from './interruption.ts'

/** On loopback a connection that is taken is there within microseconds. */
const TAKEN_WITHIN_MS = 200
/** Linux takes one or two more than the backlog says. */
const MAX_TO_FILL = 16

/**
 * An address where connections are neither taken nor refused, as behind a security group that does not know the
 * caller: a process that is stopped while its queue of connections is full, so that the kernel drops each SYN.
 */
export class BlackHole implements AsyncDisposable {
  readonly address: string
  readonly #child: ChildProcess
  readonly #filling: Socket[] = []

  private constructor(address: string, child: ChildProcess) {
    this.address = address
    this.#child = child
  }

  static async start(address: string, port: number): Promise<BlackHole> {
    const script = new URL('./black-hole-process.ts', import.meta.url)
    const { NODE_OPTIONS: _options, ...env } = process.env
    const child = fork(script, [address, String(port)], { execArgv: [], env })
    const hole = new BlackHole(address, child)
    killOnInterruption(child.pid)
    try {
      const [news] = await Promise.race([once(child, 'message'), once(child, 'exit')])
      if (news !== 'listening') throw new Error(`nothing listens on ${address}:${port}`)
      child.kill('SIGSTOP')
      await hole.#fill(port)
      return hole
    } catch (error) {
      await hole[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#filling) socket.destroy()
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
    hasEnded(this.#child.pid)
  }

  async #fill(port: number): Promise<void> {
    for (let count = 0; count < MAX_TO_FILL; count++) {
      const socket = connect(port, this.address)
      socket.on('error', () => undefined)
      this.#filling.push(socket)
      const taken = await Promise.race([
        once(socket, 'connect').then(() => true),
        // A process that was held up first reads what has arrived meanwhile.
        delay(TAKEN_WITHIN_MS).then(() => turn(false)),
      ])
      if (!taken) return
    }
    throw new Error(`${this.address}:${port} takes connections without end`)
  }
}
