/** Programs of others that serve on a loopback port: each in a temporary folder of its own, gone with it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../ports.ts'
import { end, isRunning } from './children.ts'

export interface Program {
  readonly name: string
  /** The Debian package that has it. */
  readonly debianPackage: string
}

export interface DaemonSpec {
  readonly program: Program
  /** By file name. `folder` is where they will be. */
  readonly files: (port: number, folder: string) => Readonly<Record<string, string>>
  readonly args: (folder: string, port: number) => readonly string[]
  /** What it logs when it is up. */
  readonly ready: RegExp
  /** What it logs when it goes on without some of its files. */
  readonly failed?: RegExp
}

// Generous: two cores are shared with everything else that runs on the machine.
const UP_WITHIN_MS = 20_000
const DOWN_WITHIN_MS = 5_000
const POLL_MS = 10
const MAX_PORTS_TRIED = 20

/** Where Debian has daemons; not on the path of an ordinary user. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

const TAKEN = /address (already )?in use/i

/** @throws Error that names the Debian package when the program is not there */
export function findProgram({ name, debianPackage }: Program): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const folder of [...folders, ...SYSTEM_FOLDERS]) {
    const path = join(folder, name)
    if (isExecutable(path)) return path
  }
  throw new Error(
    `${name} is not installed; on Debian: apt-get update && apt-get install --yes ${debianPackage}`,
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** One that can be killed, and started again on the same port with what its folder holds by then. */
export class Daemon implements AsyncDisposable {
  readonly #path: string
  readonly #spec: DaemonSpec
  readonly #folder: string
  #port = 0
  #child: ChildProcess | undefined
  #log = ''

  private constructor(path: string, spec: DaemonSpec, folder: string) {
    this.#path = path
    this.#spec = spec
    this.#folder = folder
  }

  /** @throws Error with what it logged when it does not come up; nothing is left of it then */
  static async start(spec: DaemonSpec): Promise<Daemon> {
    const path = findProgram(spec.program)
    const folder = await mkdtemp(join(tmpdir(), `onehop-${spec.program.name}-`))
    const daemon = new Daemon(path, spec, folder)
    try {
      await daemon.#startSomewhere()
      return daemon
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
  }

  get port(): number {
    return this.#port
  }

  /** `127.0.0.1:port` */
  get server(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** All that it wrote, over every start. */
  get log(): string {
    return this.#log
  }

  async restart(): Promise<void> {
    await this.kill()
    // Nobody else is likely to have taken its port in between; who passes by goes again.
    for (let tried = 0; tried < MAX_PORTS_TRIED; tried++) if (await this.#comesUp()) return
    throw new Error(`port ${this.#port} was taken by another while ${this.#name} was down`)
  }

  /** SIGTERM, and SIGKILL for one that does not go. Returns when it has gone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined) await end(child, DOWN_WITHIN_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.kill()
    } finally {
      await rm(this.#folder, { recursive: true, force: true })
    }
  }

  get #name(): string {
    return this.#spec.program.name
  }

  async #startSomewhere(): Promise<void> {
    for (let tried = 0; tried < MAX_PORTS_TRIED; tried++) {
      this.#port = await freePort()
      const files = Object.entries(this.#spec.files(this.#port, this.#folder))
      await Promise.all(files.map(([name, text]) => writeFile(join(this.#folder, name), text)))
      if (await this.#comesUp()) return
    }
    throw new Error(`each of ${MAX_PORTS_TRIED} ports was taken before ${this.#name} could have it`)
  }

  /** @returns false when its port was taken */
  async #comesUp(): Promise<boolean> {
    const before = this.#log.length
    const child = this.#spawn()
    const until = performance.now() + UP_WITHIN_MS
    for (;;) {
      const news = this.#log.slice(before)
      if (TAKEN.test(news)) {
        await this.kill()
        return false
      }
      if (this.#spec.failed?.test(news) === true) throw new Error(`${this.#name} cannot use it:\n${news}`)
      if (this.#spec.ready.test(news)) return true
      if (!isRunning(child)) throw new Error(`${this.#name} ended at once:\n${news}`)
      if (performance.now() > until)
        throw new Error(`${this.#name} is not up after ${UP_WITHIN_MS} ms:\n${news}`)
      await delay(POLL_MS)
    }
  }

  #spawn(): ChildProcess {
    // The kernel ends it when this process ends, however that comes about: a test runner that is killed, too.
    const args = ['--pdeathsig', 'KILL', this.#path, ...this.#spec.args(this.#folder, this.#port)]
    const setpriv = findProgram({ name: 'setpriv', debianPackage: 'util-linux' })
    const child = spawn(setpriv, args, { cwd: this.#folder, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    const note = (piece: string): void => {
      this.#log += piece
    }
    child.on('error', (error) => note(`${error.message}\n`))
    child.stdout.setEncoding('utf8').on('data', note)
    child.stderr.setEncoding('utf8').on('data', note)
    return child
  }
}
