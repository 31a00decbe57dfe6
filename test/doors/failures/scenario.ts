/**
 * One fault for all libraries, with onehop and without at the same time. Of four tasks as processes,
 *
 * - one is killed, and its address answers nothing more, while DNS still names it;
 * - one freezes, and is killed by its health check;
 * - one is replaced as in a deployment.
 *
 * Each has a successor. It ends when two of these have answered with onehop, or later.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startLocalAws, type EcsTask } from 'onehop/testing'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { CachingResolver } from '../../../chaos/caching-resolver.ts'
import { hasEnded, killOnInterruption } from '../../../chaos/interruption.ts'
import { end, inheritedEnv } from '../../support/processes/children.ts'
import { ca, cert, key } from '../../support/transports/tls.ts'
import type { Done, Order, Report, Tally } from './order.ts'

export interface Scenario {
  readonly scheme: 'http' | 'https'
  /** The binary of the callers' Node. */
  readonly node: string
  readonly libraries: readonly string[]
  /** Of each library; GET and POST in turn. */
  readonly everyMs: number
  /** Of each library [no limit]. */
  readonly maxInFlight?: number
  readonly delayMs: number
  /** Between the steps: kill, freeze, health check, deployment, end. ECS takes as long to notice. */
  readonly stepMs: number
}

/** What came of it: a tally for each library. */
export interface Result extends Readonly<Record<Order['side'], readonly Tally[]>> {
  /** Calls with onehop, at most. */
  readonly mostInFlight: number
  /** How long the task was frozen until it was gone, which is how long calls wait for it. */
  readonly frozenMs: number
  /** How late the callers were for their timers, at most: what they saw is no better than that. */
  readonly lateMaxMs: number
}

const HOST = 'orders.shop.local'
const TTL_SECONDS = 2
const TASKS = 4
/** Two successors: the last one has little time. */
const MET = TASKS + 2

/** Runs it once. */
export async function runScenario(scenario: Scenario): Promise<Result> {
  const { scheme, stepMs, delayMs } = scenario
  await using aws = await startLocalAws()
  aws.addService(HOST, { ttlSeconds: TTL_SECONDS })
  await using resolver = await CachingResolver.start(aws.dns.server)
  await using service = await aws.startEcsService({
    command: [process.execPath, new URL('task.ts', import.meta.url).pathname],
    host: HOST,
    tasks: TASKS,
    env: { DELAY_MS: String(delayMs), ...(scheme === 'https' && { TLS_KEY: key, TLS_CERT: cert }) },
    deregisterAfterMs: stepMs,
    stopTimeoutMs: 5 * stepMs,
  })
  const start = async (): Promise<void> => killOnInterruption((await service.add()).pid)
  killOnInterruption(...service.tasks.map(({ pid }) => pid))
  const order = {
    ...scenario,
    origin: `${scheme}://${HOST}:${service.port}`,
    dnsServer: resolver.server,
  }
  await using without = await Caller.start({ ...order, side: 'without' })
  await using onehop = await Caller.start({ ...order, side: 'onehop' })
  await using gone = new AsyncDisposableStack()
  /** On Fargate the address of a task that is gone answers nothing: no RST. */
  const vanish = async ({ address, port, exited }: EcsTask): Promise<void> => {
    await exited
    gone.use(await BlackHole.start(address, port))
  }
  let frozenMs = 0
  const faults = async (): Promise<void> => {
    const [killed, frozen, replaced] = service.tasks as [EcsTask, EcsTask, EcsTask]
    await Promise.all([without.begun, onehop.begun])
    await delay(stepMs)
    killed.signal('SIGKILL')
    await Promise.all([vanish(killed), delay(stepMs / 2).then(start), delay(stepMs)])
    const frozenAt = performance.now()
    frozen.signal('SIGSTOP')
    await delay(stepMs)
    frozen.signal('SIGKILL')
    await frozen.exited
    frozenMs = performance.now() - frozenAt
    await Promise.all([vanish(frozen), delay(stepMs / 2).then(start), delay(stepMs)])
    await start()
    await Promise.all([replaced.stop(), vanish(replaced), delay(2 * stepMs), onehop.hasMet(MET)])
    for (const caller of [without, onehop]) caller.end()
  }
  const [[control, ours]] = await Promise.all([Promise.all([without.done, onehop.done]), faults()])
  await service.close()
  hasEnded(...service.tasks.map(({ pid }) => pid))
  const lateMaxMs = Math.max(control.lateMaxMs, ours.lateMaxMs)
  const { mostInFlight } = ours
  return { without: control.tallies, onehop: ours.tallies, mostInFlight, frozenMs, lateMaxMs }
}

/** The process that calls. */
class Caller implements AsyncDisposable {
  /** Its load runs. */
  readonly begun: Promise<void>
  readonly done: Promise<Done>
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #news = new EventEmitter()
  #met = 0

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child
    this.#folder = folder
    const begun = Promise.withResolvers<void>()
    const done = Promise.withResolvers<Done>()
    const failed = (error: Error): void => {
      begun.reject(error)
      done.reject(error)
    }
    child.on('message', (report: Report) => {
      if (report.kind === 'begun') begun.resolve()
      else if (report.kind === 'answered') {
        this.#met = report.tasks
        this.#news.emit('met')
      } else if (report.kind === 'done') done.resolve(report)
      else failed(new Error(report.error))
    })
    child.once('error', failed)
    child.once('exit', (code, signal) => failed(new Error(`the caller ended: ${code ?? signal}`)))
    this.begun = begun.promise
    this.done = done.promise
    for (const promise of [this.begun, this.done]) promise.catch(() => undefined)
  }

  static async start(order: Order & Pick<Scenario, 'node'>): Promise<Caller> {
    const folder = await mkdtemp(join(tmpdir(), 'onehop-doors-'))
    const extraCa = join(folder, 'ca.pem')
    await writeFile(extraCa, ca)
    const child = fork(new URL('worker.ts', import.meta.url), {
      execPath: order.node,
      execArgv: ['--conditions=onehop:source', '--disable-warning=ExperimentalWarning'],
      env: {
        ...inheritedEnv(),
        NODE_EXTRA_CA_CERTS: extraCa,
        AWS_ACCESS_KEY_ID: 'AKIALOCALEXAMPLE',
        AWS_SECRET_ACCESS_KEY: 'local',
        AWS_REGION: 'eu-west-1',
      },
    })
    const caller = new Caller(child, folder)
    child.send(order)
    return caller
  }

  /** Waits until so many tasks have answered. */
  async hasMet(tasks: number): Promise<void> {
    while (this.#met < tasks) await Promise.race([once(this.#news, 'met'), this.done])
  }

  /** Of its load. */
  end(): void {
    this.#child.send('end')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child)
    await rm(this.#folder, { recursive: true, force: true })
  }
}
