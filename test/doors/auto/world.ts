/** Where applications run that know nothing of onehop: a local AWS, a fleet of processes, and processes that are switched on. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startFleet, startLocalAws, type Fleet, type LocalAws } from 'onehop/testing'
import { ended, type Ended } from '../../support/processes/children.ts'
import { ENDS_WITHIN_MS } from '../output-of.ts'

export const HOST = 'orders.shop.local'
export const ROOT: string = new URL('../../..', import.meta.url).pathname
/** Applications, and the libraries that they import. */
export const APPS: string = new URL('packages/', import.meta.url).pathname
/** The sources in place of `dist`, and nothing on stderr that is Node's own. */
export const FLAGS: readonly string[] = [
  '--conditions=onehop:source',
  '--disable-warning=ExperimentalWarning',
]
export const AUTO: readonly string[] = [...FLAGS, '--import', 'onehop/auto']

/** Most of a start is the compilation of the sources. */
const COMPILE_CACHE = `${APPS}node_modules/.compile-cache`

/** How a process is started. */
export interface Start {
  /** [this one] */
  readonly node?: string
  /** [those that switch onehop on] */
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Called with each line that it prints; its stdin then stays open. */
  readonly onLine?: (line: string, child: ChildProcessWithoutNullStreams) => void
}

/** A service, and the environment that an application needs to find it. */
export class World implements AsyncDisposable {
  readonly aws: LocalAws
  readonly fleet: Fleet
  readonly #folder = mkdtempSync(join(tmpdir(), 'onehop-auto-'))

  constructor(aws: LocalAws, fleet: Fleet) {
    this.aws = aws
    this.fleet = fleet
    mkdirSync(join(this.#folder, 'node_modules'))
    symlinkSync(ROOT, join(this.#folder, 'node_modules/onehop'))
  }

  static async start(tasks: number): Promise<World> {
    const world = new World(await startLocalAws(), await startFleet({ tasks, processes: true }))
    world.aws.addService(HOST, { ttlSeconds: 1 })
    for (const task of world.fleet.tasks) world.register(task)
    return world
  }

  register({ id, address, port }: Fleet['tasks'][number]): void {
    this.aws.register(HOST, id, { ipv4: address, port })
  }

  get url(): string {
    return `http://${HOST}:${this.fleet.port}/v1/orders`
  }

  /** Tasks of tests are on loopback addresses, which only a file can allow. */
  get env(): Readonly<Record<string, string>> {
    return {
      ...this.aws.env,
      ONEHOP_NAMESPACES: 'shop.local',
      ONEHOP_CONFIG: this.file('onehop.json', JSON.stringify({ allowLoopback: true, slowStartMs: 0 })),
      SERVICE_URL: this.url,
    }
  }

  /**
   * A file that may import onehop.
   * @returns its path
   */
  file(name: string, content: string): string {
    const path = join(this.#folder, name)
    writeFileSync(path, content)
    return path
  }

  /** Runs a program with its arguments until it ends. */
  run(args: readonly string[], start: Start = {}): Promise<Ended> {
    return run(args, { ...start, env: { ...this.env, ...start.env } })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true })
    await this.fleet.close()
    await this.aws.close()
  }
}

/** Runs a program with its arguments until it ends. */
export function run(args: readonly string[], start: Start = {}): Promise<Ended> {
  const { node = process.execPath, flags = AUTO, env = {}, onLine } = start
  const child = spawn(node, [...flags, ...args], {
    cwd: ROOT,
    stdio: 'pipe',
    env: { ...withoutOnehop(process.env), NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    timeout: ENDS_WITHIN_MS,
    killSignal: 'SIGKILL',
  })
  // A program that has ended reads nothing more.
  child.stdin.on('error', () => undefined)
  if (onLine === undefined) child.stdin.end()
  else createInterface(child.stdout).on('line', (line) => onLine(line, child))
  return ended(child)
}

/** Variables of the tests' own scripts are none of an application's. */
function withoutOnehop(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('ONEHOP_') && name !== 'NODE_OPTIONS'),
  )
}
