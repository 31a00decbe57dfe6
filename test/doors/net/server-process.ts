/** Servers of others, each a process of its own on one of 127.0.0.0/8, with its data in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { accepts } from '../../../src/testing/ports.ts'
import { end, ended, inheritedEnv, isRunning } from '../../support/processes/children.ts'
import { findProgram } from '../../support/processes/daemon.ts'

const UP_WITHIN_MS = 100_000
const DOWN_WITHIN_MS = 20_000

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
    while (!(await accepts(address, port))) {
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
    await end(this.#child)
  }

  /** By itself: PostgreSQL leaves shared memory behind otherwise. */
  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child, DOWN_WITHIN_MS)
  }
}

/** Runs a command to its end. @throws Error with what it wrote if it fails */
export async function run(command: Command): Promise<void> {
  const { code, stdout, stderr } = await ended(spawnCommand(command))
  if (code !== 0) throw new Error(`${command.path} ended with ${code}:\n${stdout}${stderr}`)
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
  return spawn(setpriv, given, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...inheritedEnv(), ...env } })
}
