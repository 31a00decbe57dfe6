import { checkBoolean, checkRecord } from '../core/check/check.ts'
import { checkClient } from '../core/check/functions.ts'
import { InvalidOptionsError, type Client } from '../index.ts'
import { routeAgents } from './agents.ts'
import { DiscoveredHosts } from './discovered-hosts.ts'
import { routeDispatchers } from './dispatchers.ts'
import { observeAgents, observeUndici } from './observed-calls.ts'

/** What is installed, and how. Defaults in brackets. */
export interface InstallOptions {
  /** The built-in `fetch`, and what npm's undici sends by its global dispatcher [true]. */
  readonly fetch?: boolean | undefined
  /** `node:http` and `node:https`, with agents that take their connections from Node [true]. */
  readonly http?: boolean | undefined
  /**
   * `observe`: all calls go where they went before. An `onehop:call.observed` event for each call to a discovered host says which
   * task would have got it ['route'].
   */
  readonly mode?: 'route' | 'observe' | undefined
}

const KEYS = ['fetch', 'http', 'mode']

/** Of the thread: an agent's copy of this package and the application's are one installation. */
const INSTALLED = Symbol.for('onehop.installed')

/** Of this copy, for programs that freeze `globalThis`. */
let installed: Client | undefined

/**
 * From now on, calls of this process to hosts that the client discovers go to its tasks, whatever they are made with: the built-in
 * `fetch`, npm's undici, `node:http` and `node:https` and what is built on them. All other hosts are called as before.
 * @returns what undoes it. It does not close the client; a wrapper that was put over ours since then stays
 * @throws InvalidOptionsError for options that are not allowed, and if a client is installed already
 */
export function install(client: Client, options: InstallOptions = {}): Disposable {
  const { fetch, http, mode } = checked(client, options)
  if (installedClient() !== undefined)
    throw new InvalidOptionsError(
      'client',
      client,
      'one client for a process; another is installed (by onehop/auto or by install()), and has to be disposed of first',
    )
  const hosts = new DiscoveredHosts(client)
  const ends: Disposable[] = []
  if (fetch) ends.push(mode === 'route' ? routeDispatchers(client, hosts) : observeUndici(client, hosts))
  if (http) ends.push(mode === 'route' ? routeAgents(client, hosts) : observeAgents(client, hosts))
  installed = client
  Reflect.defineProperty(globalThis, INSTALLED, { value: client, configurable: true })
  return {
    [Symbol.dispose]() {
      if (ends.length === 0) return
      for (const end of ends.splice(0)) end[Symbol.dispose]()
      installed = undefined
      Reflect.deleteProperty(globalThis, INSTALLED)
    },
  }
}

/** The client that is installed in this process, by whatever copy of this package, e.g. that of `onehop/auto`, for `inspect()` and `onehop/otel`; undefined: none. */
export function installedClient(): Client | undefined {
  return installed ?? (Reflect.get(globalThis, INSTALLED) as Client | undefined)
}

function checked(client: unknown, given: unknown): { fetch: boolean; http: boolean; mode: string } {
  checkClient(client, ['acquire', 'discovers'])
  const options = checkRecord('options', given, `a plain object of ${KEYS.join(', ')}`)
  if (Object.keys(options).some((key) => !KEYS.includes(key)))
    throw new InvalidOptionsError('options', options, `only ${KEYS.join(', ')}`)
  const { fetch: forFetch = true, http: forHttp = true, mode = 'route' } = options
  const fetch = checkBoolean('fetch', forFetch)
  const http = checkBoolean('http', forHttp)
  if (mode !== 'route' && mode !== 'observe')
    throw new InvalidOptionsError('mode', mode, '"route" or "observe"')
  if (!fetch && !http)
    throw new InvalidOptionsError('http', http, 'true, where fetch is false: nothing is left to install')
  return { fetch, http, mode }
}
