/**
 * What became of a request, by Node's diagnostics channels. A listener on the request would change it: Node discards a
 * response only if nothing listens to 'response', and an error is uncaught only if nothing listens to 'error'.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { ClientRequest, IncomingMessage } from 'node:http'

/** A request that wants to know. */
export interface Followed {
  /** Its response headers are there. */
  responded(response: IncomingMessage): void
  /** Its 'error' event follows. */
  failed(error: Error): void
}

/** Where a request has its follower: a property costs less than a `WeakMap`, which slows down each garbage collection. */
const FOLLOWER = Symbol('onehop request')

type FollowedRequest = ClientRequest & { [FOLLOWER]?: Followed }

let isSubscribed = false

/** From now on `follower` hears what becomes of the request. */
export function follow(request: ClientRequest, follower: Followed): void {
  subscribeOnce()
  ;(request as FollowedRequest)[FOLLOWER] = follower
}

/** What follows the request; undefined: nothing. */
export function followerOf(request: ClientRequest): Followed | undefined {
  return (request as FollowedRequest)[FOLLOWER]
}

/** Both channels exist once for the process, and so do their listeners. */
function subscribeOnce(): void {
  if (isSubscribed) return
  isSubscribed = true
  subscribe('http.client.response.finish', (message) => {
    const { request, response } = message as { request: ClientRequest; response: IncomingMessage }
    followerOf(request)?.responded(response)
  })
  subscribe('http.client.request.error', (message) => {
    const { request, error } = message as { request: ClientRequest; error: Error }
    followerOf(request)?.failed(error)
  })
}
