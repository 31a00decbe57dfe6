import { fork } from 'node:child_process'
import { afterAll, afterEach, beforeAll, onTestFinished } from 'vitest'
import { untilPortsAreFree } from '../../../src/testing/ports.ts'
import { freePort } from '../../support/ports.ts'
import { firstMessage, ForkedTask } from '../../support/processes/forked-task.ts'
import { eventually } from '../../support/until.ts'
import type { Behaviour, Stats } from './packages/task.ts'

const FILE = new URL('packages/task.ts', import.meta.url).pathname

/** One gRPC server in a process of its own. */
export class GrpcTask extends ForkedTask {
  async behave(behave: Behaviour): Promise<void> {
    await this.ask({ behave })
  }

  async stats(): Promise<Stats> {
    return (await this.ask({ stats: true })) as Stats
  }

  /** Waits until it holds so many calls. */
  async hasHeld(count: number): Promise<void> {
    await eventually(
      async () => (await this.stats()).held,
      (held) => held === count,
    )
  }

  /** `server.tryShutdown`: takes no new calls, and ends with those in flight. */
  async shutdown(): Promise<void> {
    await this.ask({ shutdown: true })
  }
}

/** Tasks on 127.0.2.1, 127.0.2.2 and so on, with one port for all. */
export class GrpcFleet {
  readonly port: number
  readonly tasks: GrpcTask[] = []
  readonly #env: NodeJS.ProcessEnv
  #next = 1

  constructor(port: number, env: NodeJS.ProcessEnv) {
    this.port = port
    this.#env = env
  }

  /** Ends with the test. */
  static async start(count: number, env: NodeJS.ProcessEnv = {}): Promise<GrpcFleet> {
    const fleet = await GrpcFleet.#of(count, env)
    onTestFinished(() => fleet.close())
    return fleet
  }

  /** Ends with the file: its tests share it, and it behaves well again before each. */
  static share(count: number): { readonly of: (tasks: number) => GrpcFleet } {
    let fleet: GrpcFleet
    beforeAll(async () => {
      fleet = await GrpcFleet.#of(count, {})
    })
    afterAll(() => fleet.close())
    afterEach(() => Promise.all(fleet.tasks.map((task) => task.behave({}))))
    return { of: (tasks) => fleet.part(tasks) }
  }

  static #of(count: number, env: NodeJS.ProcessEnv): Promise<GrpcFleet> {
    return untilPortsAreFree(async () => {
      const fleet = new GrpcFleet(await freePort(), env)
      try {
        await fleet.add(count)
        return fleet
      } catch (error) {
        await fleet.close()
        throw error
      }
    })
  }

  /** The first tasks of it. */
  part(count: number): GrpcFleet {
    const part = new GrpcFleet(this.port, {})
    part.tasks.push(...this.tasks.slice(0, count))
    return part
  }

  async add(count: number): Promise<GrpcTask[]> {
    return Promise.all(Array.from({ length: count }, () => this.#add()))
  }

  async #add(): Promise<GrpcTask> {
    const address = `127.0.2.${this.#next++}`
    const child = fork(FILE, [address, String(this.port)], {
      env: { ...process.env, ...this.#env },
      execArgv: [],
    })
    const task = new GrpcTask(child, address, this.port)
    this.tasks.push(task)
    const message = await firstMessage(child)
    if (message !== 'ready') throw bindError(message as { readonly error: string })
    return task
  }

  get labels(): string[] {
    return this.tasks.map(({ label }) => label)
  }

  async close(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.kill()))
  }
}

/** As `node:net` has it: another process may have taken the port. */
function bindError({ error }: { readonly error: string }): Error {
  return Object.assign(new Error(error), error.includes('EADDRINUSE') && { code: 'EADDRINUSE' })
}
