import { lookup as dnsLookup, V4MAPPED, type LookupAddress, type LookupOptions } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { checkClient } from '../core/check/functions.ts'
import { InvalidOptionsError } from '../index.ts'
import { followConnection, seeSockets, socketOf } from './followed-socket.ts'
import type { NetClient } from './options.ts'
import { rankedAddresses } from './ranked-addresses.ts'

type Callback = (
  error: NodeJS.ErrnoException | null,
  address?: string | LookupAddress[],
  family?: number,
) => void

/** The options, or the family, as Node takes it. */
type Given = LookupOptions | number | null | undefined

/**
 * A `dns.lookup` whose addresses are those of tasks: for the option `lookup` of `net.connect`, MongoDB's driver, redis, ws.
 *
 * First comes the task that the client's balancer picks, then the others of the caller's zone, those of other zones, the
 * load balancer of `fallback`, and last what is ejected. The connection is Node's own, and a lookup sets no port: take
 * `connect` where the library has a place for it. Whether the first address can be reached is learned from the sockets of
 * `node:net` and `node:tls`. Hosts that are not discovered go to `dns.lookup` exactly as given.
 *
 * If nothing is known, the callback gets an error with the code `ENOTFOUND`, and the error of this library as its `cause`.
 * @throws InvalidOptionsError if `client` is not a client
 * @see https://nodejs.org/api/dns.html#dnslookuphostname-options-callback
 */
export function lookupOf(client: NetClient): LookupFunction {
  checkClient(client, ['acquire', 'discovers', 'inspect'])
  seeSockets()
  let turn = 0
  const lookup = (host: string, ...rest: [Callback] | [Given, Callback]): void => {
    if (typeof host !== 'string' || !client.discovers(host)) {
      // With Node's own checks and errors.
      ;(dnsLookup as (...given: unknown[]) => void)(host, ...rest)
      return
    }
    const callback = rest.at(-1)
    if (typeof callback !== 'function')
      throw new InvalidOptionsError('lookup.callback', callback, 'a function (error, address, family)')
    const options = rest.length === 1 ? {} : optionsOf(rest[0])
    candidates(client, host, turn++, socketOf(host)).then(
      (addresses) => answer(host, addresses, options, callback),
      (error: unknown) => fail(host, error, callback),
    )
  }
  return lookup as LookupFunction
}

function optionsOf(given: Given | Callback): LookupOptions {
  return typeof given === 'number' ? { family: given } : ((given ?? {}) as LookupOptions)
}

/**
 * Best first. Rejects with the reason that there are none.
 * @param socket that will connect to them, if it is known
 */
async function candidates(
  client: NetClient,
  host: string,
  turn: number,
  socket: Socket | undefined,
): Promise<readonly string[]> {
  const { origin } = new URL(`http://${host}`)
  const lease = await client.acquire(origin, { method: 'CONNECT', idempotent: true, hasPort: true })
  if (socket === undefined) lease.end()
  else followConnection(socket, lease)
  // Only a connection that is followed can end an ejection.
  const picked = {
    address: lease.endpoint.address,
    tier: lease.endpoint.tier,
    mayProbe: socket !== undefined,
  }
  const { tasks, balancer, ejected } = rankedAddresses(client.inspect(), origin, picked, turn)
  if (balancer === undefined) return [...tasks, ...ejected]
  const found = await addressesOf(balancer).catch((error: unknown) => {
    if (tasks.length + ejected.length === 0) throw error
    return []
  })
  return [...tasks, ...found, ...ejected]
}

/** Of the load balancer. @throws Node's error */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const found = await promisify(dnsLookup)(host, { all: true })
  return found.map(({ address }) => address)
}

function answer(
  host: string,
  addresses: readonly string[],
  options: LookupOptions,
  callback: Callback,
): void {
  const list = inOrder(ofFamily(addresses, options), options)
  const [first] = list
  // net.connect ends the process if the list is empty.
  if (first === undefined) fail(host, noneOfFamily(addresses, options), callback)
  // In a tick of its own: what the callback throws is the caller's uncaught exception.
  else if (options.all === true) process.nextTick(callback, null, list)
  else process.nextTick(callback, null, first.address, first.family)
}

function noneOfFamily(addresses: readonly string[], { family }: LookupOptions): Error {
  return new Error(
    `no address of family ${String(family ?? 0)} among ${addresses.join(', ') || 'those that are known: there are none'}`,
  )
}

/** As Node's own error, with what has happened as its cause. */
function fail(host: string, cause: unknown, callback: Callback): void {
  const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`, { cause }), {
    errno: -3008,
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname: host,
  })
  process.nextTick(callback, error)
}

function ofFamily(addresses: readonly string[], { family, hints = 0 }: LookupOptions): LookupAddress[] {
  const list = addresses.map((address) => ({ address, family: isIP(address) }))
  // 4, 6, 'IPv4', 'IPv6'; 0: any.
  const wanted = Number(String(family ?? 0).replace('IPv', ''))
  if (wanted === 0) return list
  const kept = list.filter((entry) => entry.family === wanted)
  if (kept.length > 0 || wanted !== 6 || (hints & V4MAPPED) === 0) return kept
  return list.map(({ address }) => ({ address: `::ffff:${address}`, family: 6 }))
}

/** The order of the tasks, unless the caller asks for another one. */
function inOrder(list: LookupAddress[], { order, verbatim }: LookupOptions): LookupAddress[] {
  const first = FIRST[order ?? (verbatim === false ? 'ipv4first' : 'verbatim')]
  if (first === undefined) return list
  return list.toSorted((one, other) => Number(other.family === first) - Number(one.family === first))
}

const FIRST: Readonly<Record<NonNullable<LookupOptions['order']>, number | undefined>> = {
  ipv4first: 4,
  ipv6first: 6,
  verbatim: undefined,
}
