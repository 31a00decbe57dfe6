import { Readable } from 'node:stream'
import type { Sent } from '../../recipes/library.ts'

const ORDER = { sku: 'A1' }

/** The object that a library serialises; undefined for other bodies. */
export function jsonOf({ method, body }: Sent): object | undefined {
  if (method === 'GET') return undefined
  if (body === undefined) return ORDER
  return body.kind === 'json' ? body.value : undefined
}

/** The body for those that serialise nothing. */
export function rawOf(sent: Sent): string | FormData | ReadableStream | undefined {
  const json = jsonOf(sent)
  if (json !== undefined) return JSON.stringify(json)
  if (sent.body?.kind === 'form') return formOf(sent)
  return sent.body?.kind === 'stream'
    ? (Readable.toWeb(Readable.from(sent.body.chunks)) as ReadableStream)
    : undefined
}

/** The fields of a form, as this Node's FormData. */
export function formOf({ body }: Sent): FormData {
  const form = new FormData()
  if (body?.kind === 'form') for (const [name, value] of Object.entries(body.fields)) form.append(name, value)
  return form
}

/** A stream of Node's. */
export function streamOf({ body }: Sent): Readable {
  return Readable.from(body?.kind === 'stream' ? body.chunks : [])
}

/** For those that serialise nothing. */
export function headersOf(sent: Sent): Record<string, string> {
  return { ...(jsonOf(sent) === undefined ? {} : { 'content-type': 'application/json' }), ...sent.headers }
}
