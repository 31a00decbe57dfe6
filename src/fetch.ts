/**
 * `fetch` and `request` over a dispatcher, for what callers have at hand.
 *
 * undici knows its own `Request` and `FormData` only: Node's global ones would become the strings "[object Request]" and
 * "[object FormData]". And its `fetch` hands on every body as a generator, which can be read once.
 */
import { types } from 'node:util'
import { fetch as undiciFetch, FormData, Request, request as undiciRequest, type Dispatcher } from 'undici'
import { BlobBody } from './dispatch/request/replay-body.ts'
import {
  withCallOptions,
  wrongFetchKey,
  wrongRequestKey,
  type CallOptions,
} from './dispatch/request/call-options.ts'

type GlobalRequest = globalThis.Request

/** As it was when this library was loaded: the global one may be `client.fetch` by now. */
const builtinFetch: typeof globalThis.fetch = globalThis.fetch

/** The undici of Node 22 and 24, whose handlers cannot take HTTP/2. */
const BUILTIN_IS_LEGACY = Number.parseInt(process.versions['undici'] ?? '', 10) < 8

/** @param prefersHttp2 whether connections to the host of a URL are to speak HTTP/2 */
export function fetchOver(
  dispatcher: Dispatcher,
  prefersHttp2: (url: string) => boolean,
): typeof globalThis.fetch {
  const isForBuiltin = (input: unknown, body: unknown): input is GlobalRequest =>
    isGlobalRequest(input) &&
    !isForm(body) &&
    !(BUILTIN_IS_LEGACY && (input.headers.has('content-length') || prefersHttp2(input.url)))

  const fetch = async (input: unknown, init?: RequestInit & CallOptions): Promise<unknown> => {
    const wrong = wrongFetchKey(init, dispatcher)
    if (wrong !== undefined) throw wrong
    const options = { ...init } as { body?: unknown; dispatcher?: unknown }
    if (isForm(options.body)) options.body = ownForm(options.body)
    options.dispatcher = withCallOptions(dispatcher, init, sourceOf(options.body))
    // How long the body of such a request is, only the fetch that it belongs to knows.
    if (isForBuiltin(input, options.body)) return builtinFetch(input, options as RequestInit)
    return undiciFetch(isForeignRequest(input) ? ownRequest(input) : (input as string), options as never)
  }
  return fetch as typeof globalThis.fetch
}

export function requestOver(dispatcher: Dispatcher): typeof undiciRequest {
  const request = (url: string | URL, init?: { body?: unknown }): unknown => {
    const wrong = wrongRequestKey(init)
    if (wrong !== undefined) return Promise.reject(wrong)
    const options = { ...init, dispatcher }
    if (isForeignForm(options.body)) options.body = ownForm(options.body)
    return undiciRequest(url, options as never)
  }
  return request as typeof undiciRequest
}

/** What each attempt can read a body from anew; undefined for one that can be read once, or not at all. */
function sourceOf(body: unknown): unknown {
  if (typeof body === 'string') return body
  if (typeof body !== 'object' || body === null) return undefined
  if (body instanceof URLSearchParams) return body.toString()
  if (body instanceof Blob) return new BlobBody(body)
  // Its owner may fill it anew as soon as the call has begun.
  if (body instanceof ArrayBuffer) return Buffer.from(body.slice())
  if (ArrayBuffer.isView(body)) {
    // `fetch` does not take shared memory as a body: it sends its text.
    if (types.isSharedArrayBuffer(body.buffer)) return undefined
    return Buffer.from(new Uint8Array(body.buffer, body.byteOffset, body.byteLength))
  }
  return isForm(body) ? body : undefined
}

/** Of this Node. jsdom, and Node 22 with `--no-experimental-fetch`, have none. */
function isGlobalRequest(input: unknown): input is GlobalRequest {
  const { Request: Global } = globalThis as { Request?: typeof globalThis.Request }
  return Global !== undefined && input instanceof Global && !(input instanceof Request)
}

/** Of whatever library, or of another version of undici. */
function isForeignRequest(input: unknown): input is GlobalRequest {
  return tagOf(input) === 'Request' && !(input instanceof Request)
}

function ownRequest(foreign: GlobalRequest): Request {
  const { method, headers, body, signal, redirect, integrity, keepalive, referrerPolicy } = foreign
  return new Request(foreign.url, {
    method,
    signal,
    redirect,
    integrity,
    keepalive,
    referrerPolicy,
    headers: [...headers],
    ...(body === null ? {} : { body, duplex: 'half' }),
  } as never)
}

function isForm(body: unknown): body is globalThis.FormData {
  return tagOf(body) === 'FormData'
}

function isForeignForm(body: unknown): body is globalThis.FormData {
  return isForm(body) && !(body instanceof FormData)
}

/** undici's, and a copy: its owner may change it as soon as the call has begun. */
function ownForm(form: globalThis.FormData): FormData {
  const own = new FormData()
  for (const [name, value] of form) {
    if (typeof value === 'string') own.append(name, value)
    else own.append(name, value, value.name)
  }
  return own
}

function tagOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? (value as never)[Symbol.toStringTag] : undefined
}
