import type { styleText } from 'node:util'

const util = process.getBuiltinModule('node:util')

/** A stream that text goes to; colours only if it is a terminal, or `FORCE_COLOR` asks for them. */
export interface Output {
  /** Writes text, or bytes, as they are. */
  write(text: string | Uint8Array): void
  /** The text in that format, or as it is where there are no colours. */
  readonly style: (format: Parameters<typeof styleText>[0], text: string) => string
  readonly isTerminal: boolean
  /** Columns of the terminal; 80 where it is none. */
  readonly columns: number
}

/** Over a stream of this process. */
export function outputOver(stream: NodeJS.WriteStream, signal: AbortSignal): Output {
  return {
    write(text) {
      // After the reader has gone each write would be another EPIPE.
      if (signal.reason !== PIPE_CLOSED) stream.write(text)
    },
    style: (format, text) => util.styleText(format, text, { stream, validateStream: true }),
    isTerminal: stream.isTTY,
    // A pseudo-terminal without a size has 0.
    columns: stream.columns || 80,
  }
}

/** The signal's reason when the reader of the results has gone, or they cannot be written. */
export const PIPE_CLOSED: unique symbol = Symbol('pipe closed')
