import { readFile } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { Io } from '../terminal/io.ts'
import { UsageError } from '../options/option.ts'
import { headerOf } from '../options/request-parts.ts'

/** What is sent, with each call anew. */
export interface CallRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: string | Buffer | undefined
}

/** Options of `call` that describe the request, as curl's. */
export interface RequestValues {
  readonly request: string | undefined
  readonly header: readonly string[]
  readonly data: string | undefined
}

/**
 * Reads method, headers and body.
 * @param io its signal ends the wait for stdin
 * @throws UsageError for a header without colon, or a file that cannot be read
 */
export async function requestOf(
  { request, header, data }: RequestValues,
  io: Pick<Io, 'signal' | 'note'>,
): Promise<CallRequest> {
  const headers: Record<string, string | string[]> = {}
  for (const line of header) {
    const [written, value] = headerOf(line)
    const name = written.toLowerCase()
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  const body = data === undefined ? undefined : await bodyOf(data, io)
  // curl's, where the header is not given.
  if (body !== undefined) headers['content-type'] ??= 'application/x-www-form-urlencoded'
  return { method: request ?? (body === undefined ? 'GET' : 'POST'), headers, body }
}

async function bodyOf(data: string, { signal, note }: Pick<Io, 'signal' | 'note'>): Promise<string | Buffer> {
  if (!data.startsWith('@')) return data
  const file = data.slice(1)
  try {
    if (file !== '-') return await readFile(file)
    if (process.stdin.isTTY) note('Reads the body from the terminal; Ctrl-D ends it.')
    return await buffer(addAbortSignal(signal, process.stdin))
  } catch (error) {
    signal.throwIfAborted()
    throw new UsageError(`--data: cannot read "${file}": ${(error as Error).message}`)
  }
}
