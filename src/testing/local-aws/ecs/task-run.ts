import { spawn, type ChildProcess } from 'node:child_process'
import { sleep, type Clock } from '../../../core/clock.ts'
import { endWithThisProcess } from '../../child-processes.ts'
import { accepts } from '../../ports.ts'
import { serviceAt, type Account } from '../account.ts'
import type { LocalRegistration } from '../local-aws.ts'
import { randomId } from '../chance.ts'
import { hasSrv } from '../dns/service-records.ts'
import type { Registry } from '../registry.ts'
import { MetadataServer } from '../metadata/server.ts'
import type { EcsTask, EcsTaskExit, EcsTaskState } from './ecs-service.ts'
import { localTask, type LocalTask } from './task.ts'

export interface TaskScript {
  readonly command: readonly string[]
  readonly host: string
  readonly env: Readonly<Record<string, string>>
  readonly registeredBy: 'ecs' | 'task'
  readonly deregisterAfterMs: number
  readonly stopTimeoutMs: number
  readonly startWithinMs: number
}

/** What of the local AWS a service works on. */
export interface EcsWorld {
  readonly registry: Registry
  readonly account: Account
  readonly clock: Clock
  /** Where Cloud Map is, as the AWS SDK reads it. */
  readonly env: Readonly<Record<string, string>>
  /** Of the next task of any service: from 0, and none twice, since each task of ECS has an address of its own. */
  nextTask(): number
}

type TaskPlace = Pick<EcsTask, 'address' | 'port'> & { readonly zone: string | undefined }

const LOOK_EVERY_MS = 25

/** One task from its start to its end. */
export class TaskRun implements EcsTask {
  readonly id: string
  readonly address: string
  readonly port: number
  readonly metadata: MetadataServer
  readonly exited: Promise<EcsTaskExit>
  state: EcsTaskState = 'PENDING'
  output = ''
  readonly #script: TaskScript
  readonly #world: EcsWorld
  readonly #task: LocalTask
  readonly #exit = Promise.withResolvers<EcsTaskExit>()
  #child: ChildProcess | undefined
  #stoppedAt: number | undefined
  /** Ids that were registered at its address before it began. */
  #earlier: ReadonlySet<string> = new Set()

  constructor(script: TaskScript, world: EcsWorld, { address, port, zone }: TaskPlace) {
    this.#script = script
    this.#world = world
    this.address = address
    this.port = port
    this.exited = this.#exit.promise
    const { registry, clock } = world
    const { region, accountId } = registry
    this.id = randomId(registry.random, 32)
    const [name = ''] = script.host.split('.')
    this.#task = localTask({
      ...{ region, accountId, taskId: this.id, serviceName: name, family: name },
      ...{ ipv4: address, ipv6: undefined },
      ...(zone !== undefined && { zone }),
    })
    this.metadata = new MetadataServer(this.#task, clock)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves when it is ready: when it accepts connections and, where it registers itself, when it has. */
  async start(): Promise<void> {
    await this.metadata.listen()
    this.#earlier = new Set(this.#instancesHere().map(({ id }) => id))
    this.#spawn()
    const { clock } = this.#world
    const { startWithinMs, registeredBy } = this.#script
    const endsAt = clock.now() + startWithinMs
    for (;;) {
      const missing = await this.#missing()
      if (missing === undefined) break
      if (this.state === 'STOPPED') {
        const { code, signal } = await this.exited
        const how = signal ?? (code === null ? 'it could not be started' : `exit code ${code}`)
        throw new Error(`the task ended before it was ready: ${how}; ${this.#said()}`)
      }
      if (clock.now() > endsAt)
        throw new Error(`the task is not ready in ${startWithinMs} ms: ${missing}; ${this.#said()}`)
      await sleep(clock, LOOK_EVERY_MS)
    }
    if (this.state !== 'PENDING') return
    this.state = 'RUNNING'
    if (registeredBy === 'ecs') this.#register()
  }

  async stop(): Promise<EcsTaskExit> {
    const { clock } = this.#world
    if (this.#stoppedAt === undefined && this.state !== 'STOPPED') {
      this.#stoppedAt = clock.now()
      this.state = 'DEACTIVATING'
      this.signal('SIGTERM')
      const kill = clock.setTimer(() => this.signal('SIGKILL'), this.#script.stopTimeoutMs, true)
      void this.exited.finally(() => kill.cancel())
      clock.setTimer(() => this.#deregister(), this.#script.deregisterAfterMs, true)
    }
    return this.exited
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** SIGKILL, and nothing of it is left. */
  async remove(): Promise<void> {
    if (this.#child !== undefined && this.state !== 'STOPPED') {
      this.signal('SIGKILL')
      await this.exited
    }
    this.#deregister()
    await this.metadata.close()
  }

  #spawn(): void {
    const { command, env, stopTimeoutMs } = this.#script
    const [program = '', ...args] = command
    // Loaders and inspectors of this process are not for it.
    const { NODE_OPTIONS: _options, ...own } = process.env
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...own,
        ...this.metadata.env,
        HOST: this.address,
        PORT: String(this.port),
        ...this.#world.env,
        ONEHOP_STOP_TIMEOUT_S: String(stopTimeoutMs / 1_000),
        ...env,
      },
    })
    this.#child = child
    endWithThisProcess(child)
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    child.once('error', (error) => {
      this.output += `${program}: ${error.message}`
      // Without a pid it never began, and there will be no `close`.
      if (child.pid === undefined) this.#ended(null, null)
    })
    // Not `exit`: its output has come by now.
    child.once('close', (code, signal) => this.#ended(code, signal))
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    const { clock } = this.#world
    // One that ends by itself: ECS notices, and takes as long to deregister it.
    if (this.#stoppedAt === undefined)
      clock.setTimer(() => this.#deregister(), this.#script.deregisterAfterMs)
    this.state = 'STOPPED'
    const tookMs = this.#stoppedAt === undefined ? undefined : clock.now() - this.#stoppedAt
    this.#exit.resolve({ code, signal, tookMs })
  }

  /** What it still lacks to be ready; undefined: nothing. */
  async #missing(): Promise<string | undefined> {
    const place = `${this.address}:${this.port}`
    if (!(await accepts(this.address, this.port))) return `it does not listen on ${place} (HOST and PORT)`
    if (this.#script.registeredBy === 'ecs') return undefined
    return this.#instancesHere().some(({ id }) => !this.#earlier.has(id))
      ? undefined
      : `it listens on ${place}, and nothing is registered there`
  }

  /** Instances at its address; its port counts where they have one, since some systems have but one loopback address. */
  #instancesHere(): readonly LocalRegistration[] {
    return this.#world.account
      .instances(this.#script.host)
      .filter(
        ({ attributes: { AWS_INSTANCE_IPV4: address, AWS_INSTANCE_PORT: port = String(this.port) } }) =>
          address === this.address && port === String(this.port),
      )
  }

  #said(): string {
    return this.output === '' ? 'it has no output' : `its output: ${this.output}`
  }

  /** As ECS does: the port only where DNS has it, and what it knows of the task. */
  #register(): void {
    const { account, registry } = this.#world
    const { host } = this.#script
    const { zone, cluster, family, serviceName = '' } = this.#task
    account.register(host, this.id, {
      ...{ ipv4: this.address, zone },
      ...(hasSrv(serviceAt(registry, host)) && { port: this.port }),
      attributes: {
        ECS_CLUSTER_NAME: cluster,
        ECS_SERVICE_NAME: serviceName,
        ECS_TASK_DEFINITION_FAMILY: family,
      },
    })
  }

  #deregister(): void {
    const { account } = this.#world
    const { host, registeredBy } = this.#script
    const isThere = account.instances(host).some(({ id }) => id === this.id)
    if (registeredBy === 'ecs' && isThere) account.deregister(host, this.id)
  }
}
