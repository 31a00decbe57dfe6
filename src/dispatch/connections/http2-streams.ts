/**
 * The HTTP/2 stream of a request. undici keeps it to itself, but makes it in the same turn in which it says that the request
 * begins, and Node announces each new stream.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { ClientHttp2Stream } from 'node:http2'

/** RFC 9113 section 7. */
const CANCEL = 8

/** What has a stream, once there is one. */
export interface StreamOwner {
  stream: ClientHttp2Stream | undefined
}

let expecting: StreamOwner | undefined = undefined
let isSubscribed = false
let isForgetting = false

/** Gives the owner the stream that undici is about to make for it. */
export function expectStream(owner: StreamOwner): void {
  if (!isSubscribed) {
    isSubscribed = true
    subscribe('http2.client.stream.created', (message) => {
      if (expecting !== undefined) expecting.stream = (message as { stream: ClientHttp2Stream }).stream
      expecting = undefined
    })
  }
  expecting = owner
  // If undici makes none after all, the next one is not the owner's.
  if (isForgetting) return
  isForgetting = true
  queueMicrotask(forget)
}

function forget(): void {
  isForgetting = false
  expecting = undefined
}

/**
 * Resets a stream with CANCEL. undici resets with NO_ERROR: if the end of the request body is not sent yet, Node then writes
 * empty DATA frames for ever (docs/decisions/015). And servers take only CANCEL for what it is.
 */
export function cancelStream(stream: ClientHttp2Stream): void {
  stream.close(CANCEL)
}
