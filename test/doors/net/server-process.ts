/** Servers of others, each a process of its own on one of 127.0.0.0/8, with its data in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findProgram } from '../../support/processes/daemon.ts'

const UP_WITHIN_MS = 30_000
const DOWN_WITHIN_MS = 5_000

/** How to run a program: as itself, or as a user of its own where the tests run as root. */
export interface Command {
  readonly path: string
  readonly args: readonly string[]
  /** The user that Debian's package has made; the program refuses root. */
  readonly user?: string | undefined
  readonly env?: Readonly<Record<string, string>>
}

export class ServerProcess implements AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly #child: ChildProcess

  private constructor(address: string, port: number, child: ChildProcess) {
    this.address = address
    this.port = port
    this.#child = child
  }

  /** @throws Error with what it wrote if it does not take connections */
  static async start(address: string, port: number, command: Command): Promise<ServerProcess> {
    const child = spawnCommand(command)
    let log = ''
    const note = (chunk: Buffer): void => void (log += String(chunk))
    child.stdout?.on('data', note)
    child.stderr?.on('data', note)
    const server = new ServerProcess(address, port, child)
    const until = performance.now() + UP_WITHIN_MS
    while (!(await takesConnections(address, port))) {
      if (!isRunning(child) || performance.now() > until) {
        await server.kill()
        throw new Error(`${command.path} is not up on ${address}:${port}:\n${log}`)
      }
      await delay(20)
    }
    return server
  }

  /** At once, as a task whose host fails. */
  async kill(): Promise<void> {
    if (!isRunning(this.#child)) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  /** By itself: PostgreSQL leaves shared memory behind otherwise. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!isRunning(this.#child)) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const overdue = setTimeout(() => this.#child.kill('SIGKILL'), DOWN_WITHIN_MS)
    await gone
    clearTimeout(overdue)
  }
}

/** Runs a command to its end. @throws Error with what it wrote if it fails */
export async function run(command: Command): Promise<void> {
  const child = spawnCommand(command)
  let log = ''
  child.stdout?.on('data', (chunk: Buffer) => (log += String(chunk)))
  child.stderr?.on('data', (chunk: Buffer) => (log += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command.path} ended with ${code}:\n${log}`)
}

/** A folder that is gone with the test. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'onehop-net-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Whether the tests run as root. */
export const isRoot: boolean = process.getuid?.() === 0

function spawnCommand({ path, args, user, env }: Command): ChildProcess {
  const as = user !== undefined && isRoot ? [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'] : []
  // The kernel ends it with this process, however that comes about.
  const given = [...as, '--pdeathsig', 'KILL', path, ...args]
  const setpriv = findProgram({ name: 'setpriv', debianPackage: 'util-linux' })
  const { NODE_OPTIONS: _options, ...inherited } = process.env
  return spawn(setpriv, given, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, ...env } })
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

async function takesConnections(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  const taken = await Promise.race([
    once(socket, 'connect').then(
      () => true,
      () => false,
    ),
    delay(500, false),
  ])
  socket.destroy()
  return taken
}
