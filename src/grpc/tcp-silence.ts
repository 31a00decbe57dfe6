/**
 * Whether an address answers TCP. grpc-js says only when a connection is ready, after TLS and the first HTTP/2 frames. Node
 * reports each socket that it makes on a diagnostics channel, and each socket emits where it connects, and when it is connected.
 * Any socket of the process says the same about the address, so that it need not be known which one is grpc-js's.
 *
 * Where no socket is seen, as with a proxy or a mock of `node:net`, nothing is called.
 * @see https://nodejs.org/api/net.html#event-connectionattempt
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { afterMs } from '../core/async/connect-limit.ts'
import { formatAddressPort } from '../core/ip.ts'

/** Of one address and port, while something waits for it or connects to it. */
interface Place {
  /** Sockets whose SYN is sent and not answered. */
  readonly connecting: Set<Socket>
  readonly waits: Set<Wait>
}

interface Wait {
  readonly limitMs: number
  readonly silent: () => void
  /** Stops its time; undefined: no SYN was sent yet. */
  cancel: (() => void) | undefined
}

const places = new Map<string, Place>()
let isSubscribed = false

/**
 * Calls once, a time after the next connection to an address was begun, or from now on where one is under way: unless a
 * connection to it has been made by then.
 * @returns cancels it
 */
export function whenTcpSilent(
  address: string,
  port: number,
  limitMs: number,
  silent: () => void,
): () => void {
  seeSockets()
  const key = formatAddressPort(address, port)
  const place = placeAt(key)
  const wait: Wait = { limitMs, silent, cancel: undefined }
  place.waits.add(wait)
  if (place.connecting.size > 0) begin(key, place, wait)
  return () => end(key, place, wait)
}

/** The listener exists once for the process. It costs a socket nothing unless something waits. */
function seeSockets(): void {
  if (isSubscribed) return
  isSubscribed = true
  subscribe('net.client.socket', (message) => {
    if (places.size > 0) follow((message as { socket: Socket }).socket)
  })
}

/** Node tries the addresses of a name one after the other: a socket is at one place at a time. */
function follow(socket: Socket): void {
  let leave = (_isConnected: boolean): void => undefined
  socket.on('connectionAttempt', (address: string, port: number) => {
    leave(false)
    leave = enter(socket, formatAddressPort(address, port))
  })
  socket.once('connect', () => leave(true))
  socket.once('close', () => leave(false))
}

/** @returns ends it */
function enter(socket: Socket, key: string): (isConnected: boolean) => void {
  const place = places.get(key)
  if (place === undefined) return () => undefined
  place.connecting.add(socket)
  for (const wait of place.waits) begin(key, place, wait)
  return (isConnected) => {
    place.connecting.delete(socket)
    if (isConnected) for (const wait of place.waits) end(key, place, wait)
    forget(key, place)
  }
}

function begin(key: string, place: Place, wait: Wait): void {
  wait.cancel ??= afterMs(wait.limitMs, () => {
    end(key, place, wait)
    if (place.connecting.size > 0) wait.silent()
  })
}

function end(key: string, place: Place, wait: Wait): void {
  wait.cancel?.()
  place.waits.delete(wait)
  forget(key, place)
}

function placeAt(key: string): Place {
  const known = places.get(key)
  if (known !== undefined) return known
  const place: Place = { connecting: new Set(), waits: new Set() }
  places.set(key, place)
  return place
}

function forget(key: string, place: Place): void {
  const isEmpty = place.connecting.size === 0 && place.waits.size === 0
  if (isEmpty && places.get(key) === place) places.delete(key)
}
