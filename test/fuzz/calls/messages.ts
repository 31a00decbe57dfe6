/** Bodies that can be told from one another, and from a part of themselves. */
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { FormData } from 'undici'
import type { Draw } from './draw.ts'

/** `length` characters that only this message has. */
export function textOf(id: string, length: number): string {
  const line = `${id};`
  return line.repeat(Math.ceil(length / line.length)).slice(0, length)
}

export interface Body {
  readonly kind: string
  readonly value: unknown
  /** Of `textOf`; a form has more around it. */
  readonly length: number
  /** Whether what it was read from has been closed, or was never begun; true where there is nothing to close. */
  readonly isClosed: () => boolean
}

export const NO_BODY: Body = { kind: 'nothing', value: null, length: 0, isClosed: () => true }

const BODIES = {
  string: (text: string): unknown => text,
  buffer: (text: string): unknown => Buffer.from(text),
  Blob: (text: string): unknown => new Blob([text]),
  FormData(text: string): unknown {
    const form = new FormData()
    form.set('text', text)
    return form
  },
} as const
const STREAMS = ['Readable', 'generator', 'slow generator', 'web stream'] as const

/**
 * @param kept how much of a streamed body is kept for another attempt: lengths around it matter most
 * @param fetched `fetch` takes an array for a text
 */
export function drawBody(draw: Draw, id: string, kept: number, fetched: boolean): Body {
  const length = draw.of([0, 1, 100, 2_000, kept - 1, kept, kept + 1, 3 * kept, 200_000])
  const text = textOf(id, length)
  const plainKinds = Object.keys(BODIES) as (keyof typeof BODIES)[]
  const kind = draw.of([...plainKinds, ...STREAMS, ...(fetched ? [] : (['array'] as const))])
  const parts = draw.integer(1, 6)
  const plain = { kind, length, isClosed: () => true }
  switch (kind) {
    case 'Readable': {
      const value = Readable.from(pieces(text, parts))
      value.on('error', () => undefined)
      return { ...plain, value, isClosed: () => value.destroyed || !value.readableDidRead }
    }
    case 'generator':
    case 'slow generator': {
      const state = { begun: false, closed: false }
      const pause = kind === 'generator' ? 0 : draw.integer(1, 15)
      const value = generated(text, parts, pause, state)
      return { ...plain, value, isClosed: () => !state.begun || state.closed }
    }
    case 'web stream': {
      const state = { begun: false, closed: false }
      return { ...plain, value: ReadableStream.from(generated(text, parts, 0, state)) }
    }
    case 'array':
      return { ...plain, value: [...pieces(text, parts)] }
    case 'string':
    case 'buffer':
    case 'Blob':
    case 'FormData':
      return { ...plain, value: BODIES[kind](text) }
  }
}

/** Whether what a task got is all that was sent. */
export function isWhole(got: Buffer, id: string, length: number, type: string | undefined): boolean {
  const text = textOf(id, length)
  const received = got.toString('latin1')
  if (type?.startsWith('multipart/form-data') !== true) return received === text
  return received.includes(`\r\n\r\n${text}\r\n--`) && /--(\r\n)?$/.test(received)
}

function* pieces(text: string, parts: number): Generator<Buffer> {
  const size = Math.max(1, Math.ceil(text.length / parts))
  for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size))
}

async function* generated(
  text: string,
  parts: number,
  pauseMs: number,
  state: { begun: boolean; closed: boolean },
): AsyncGenerator<Buffer> {
  state.begun = true
  try {
    for (const piece of pieces(text, parts)) {
      if (pauseMs > 0) await delay(pauseMs)
      yield piece
    }
  } finally {
    state.closed = true
  }
}
