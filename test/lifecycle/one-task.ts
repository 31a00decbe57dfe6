/** A single task in a process of its own, whose output says how far it is. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { LocalAws } from 'onehop/testing'
import { freePort } from '../support/ports.ts'
import { inheritedEnv } from '../support/processes/children.ts'
import { taskCommand } from './deployment.ts'
import type { TaskOrders } from './task/main.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Since the last signal, in ms. */
  readonly tookMs: number
}

interface Surroundings {
  /** Whose Cloud Map it registers in, and whose metadata it has [it is not on ECS]. */
  readonly aws?: LocalAws
  /** [a free one] */
  readonly port?: number
  /** Further variables. */
  readonly env?: Readonly<Record<string, string>>
  /** Another program than `task/main.ts`. */
  readonly script?: string
}

const ADDRESS = '127.0.5.1'

export class OneTask implements AsyncDisposable {
  output = ''
  readonly port: number
  readonly address: string = ADDRESS
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  #signalledAt = Number.NaN
  #wake = Promise.withResolvers<void>()

  private constructor(
    orders: TaskOrders,
    port: number,
    { env = {}, script }: Pick<Surroundings, 'env' | 'script'>,
  ) {
    this.port = port
    const { command, env: own } = taskCommand(orders, script)
    const [program = '', ...args] = command
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // As in a container: readiness checks come by 127.0.0.1.
      env: { ...inheritedEnv(), ...env, ...own, HOST: '0.0.0.0', PORT: String(port) },
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => this.#heard(text))
    this.exited = once(child, 'close').then(([code, signal]: unknown[]) => {
      this.#heard('')
      const tookMs = performance.now() - this.#signalledAt
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, tookMs }
    })
  }

  static async start(
    orders: TaskOrders,
    { aws, env = {}, script, port }: Surroundings = {},
  ): Promise<OneTask> {
    if (aws !== undefined) aws.metadata.task.ipv4 = ADDRESS
    const cloud =
      aws === undefined
        ? {}
        : {
            ...aws.metadata.env,
            AWS_ENDPOINT_URL_SERVICEDISCOVERY: aws.cloudMap.endpoint,
            AWS_ACCESS_KEY_ID: 'AKIALOCALEXAMPLE',
            AWS_SECRET_ACCESS_KEY: 'local',
          }
    return new OneTask(orders, port ?? (await freePort()), {
      env: { ...cloud, ...env },
      ...(script === undefined ? {} : { script }),
    })
  }

  get origin(): string {
    return `http://${ADDRESS}:${this.port}`
  }

  /** From the first signal to the end of the shutdown, by the task's own clock: a busy machine is late with signals and exits. */
  get closedAfterMs(): number {
    return Number(/^closed after (\d+) ms/m.exec(this.output)?.[1])
  }

  /** Until its output has that, or another condition holds. */
  async until(condition: RegExp | (() => boolean)): Promise<void> {
    const holds = condition instanceof RegExp ? (): boolean => condition.test(this.output) : condition
    while (!holds()) {
      if (this.#child.exitCode !== null)
        throw new Error(`it ended before ${String(condition)}: ${this.output}`)
      this.#wake = Promise.withResolvers<void>()
      const timer = setTimeout(() => this.#wake.resolve(), 10)
      await this.#wake.promise
      clearTimeout(timer)
    }
  }

  signal(name: NodeJS.Signals = 'SIGTERM'): void {
    this.#signalledAt = performance.now()
    this.#child.kill(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  #heard(text: string): void {
    this.output += text
    this.#wake.resolve()
  }
}
