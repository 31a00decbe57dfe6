/**
 * The places where the parts of the benchmark run. As root: a network namespace for each, all joined to one bridge by veth
 * pairs, so that a call to another part leaves one network stack and enters another. Otherwise: this machine's loopback.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'

export const PLACES = ['caller', 'task1', 'task2', 'task3', 'balancer'] as const
export type Place = (typeof PLACES)[number]

export interface Network extends AsyncDisposable {
  readonly kind: 'namespaces' | 'loopback'
  /** IPv4 address of a place. */
  addressOf(place: Place): string
  /** Starts a program there. It ends with the network. */
  start(place: Place, command: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess
  /** What the caller's place calls a name; only with namespaces. */
  name(host: string, address: string): void
}

/** Namespaces where they are allowed, which takes root or CAP_SYS_ADMIN; loopback elsewhere. */
export function openNetwork(): Network {
  try {
    return new Namespaces()
  } catch {
    return new Loopback()
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

class Children {
  readonly #running = new Set<ChildProcess>()

  start(command: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const [program = '', ...args] = command
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#running.add(child)
    child.once('close', () => this.#running.delete(child))
    return child
  }

  async end(): Promise<void> {
    await Promise.all(
      [...this.#running].map(async (child) => {
        const closed = once(child, 'close')
        child.kill('SIGKILL')
        await closed
      }),
    )
  }
}

class Namespaces implements Network {
  readonly kind = 'namespaces'
  readonly #children = new Children()
  /** Another benchmark may run beside this one. */
  readonly #prefix = `onehop${process.pid}`

  constructor() {
    try {
      const bridge = this.#namespace('bridge')
      ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge')
      ip('-n', bridge, 'link', 'set', 'br0', 'up')
      for (const place of PLACES) this.#join(place, bridge)
    } catch (error) {
      this.#remove()
      throw error
    }
  }

  addressOf(place: Place): string {
    return `10.77.0.${PLACES.indexOf(place) + 11}`
  }

  start(place: Place, command: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess {
    return this.#children.start(['ip', 'netns', 'exec', this.#nameOf(place), ...command], env)
  }

  // `ip netns exec` mounts it over /etc/hosts.
  name(host: string, address: string): void {
    mkdirSync(this.#files, { recursive: true })
    writeFileSync(`${this.#files}/hosts`, `127.0.0.1 localhost\n${address} ${host}\n`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#children.end()
    this.#remove()
  }

  get #files(): string {
    return `/etc/netns/${this.#nameOf('caller')}`
  }

  #nameOf(place: Place | 'bridge'): string {
    return `${this.#prefix}-${place}`
  }

  #namespace(place: Place | 'bridge'): string {
    const name = this.#nameOf(place)
    ip('netns', 'add', name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return name
  }

  #join(place: Place, bridge: string): void {
    const name = this.#namespace(place)
    ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', place, 'netns', bridge)
    ip('-n', bridge, 'link', 'set', place, 'master', 'br0', 'up')
    ip('-n', name, 'address', 'add', `${this.addressOf(place)}/24`, 'dev', 'eth0')
    ip('-n', name, 'link', 'set', 'eth0', 'up')
  }

  #remove(): void {
    // A namespace takes its ends of the pairs with it, and so the others.
    for (const place of [...PLACES, 'bridge'] as const)
      try {
        ip('netns', 'delete', this.#nameOf(place))
      } catch {
        // It was not made.
      }
    rmSync(this.#files, { recursive: true, force: true })
  }
}

class Loopback implements Network {
  readonly kind = 'loopback'
  readonly #children = new Children()

  addressOf(place: Place): string {
    return place === 'caller' ? '127.0.0.1' : `127.0.3.${PLACES.indexOf(place)}`
  }

  start(_place: Place, command: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess {
    return this.#children.start(command, env)
  }

  name(host: string): void {
    throw new Error(`${host} can have an address only in a network namespace`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#children.end()
  }
}
