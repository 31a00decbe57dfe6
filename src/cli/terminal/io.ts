/** What a command writes to, and what ends it. */
import { outputOver, type Output } from './output.ts'
import { progressBar, type Progress } from './progress.ts'

/** Of one run of a command. */
export interface Io {
  /** For results. */
  readonly out: Output
  /** For progress and notes. */
  readonly err: Output
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** Aborts at Ctrl-C, at SIGTERM, and when the reader of the results has gone (`| head`). */
  readonly signal: AbortSignal
  /** Writes lines of the result. */
  readonly print: (...lines: readonly string[]) => void
  /** Writes a value of the result as one line of JSON, or of several with `indent`. */
  json(value: unknown, indent?: number): void
  /** Writes a line to stderr, above the progress bar if there is one. */
  readonly note: (text: string) => void
  /** The bar on stderr; it is not shown where stderr is not a terminal. */
  readonly progress: Progress
}

/** Over the streams of this process. */
export function ioUntil(signal: AbortSignal): Io {
  const out = outputOver(process.stdout, signal)
  const err = outputOver(process.stderr, signal)
  const progress = progressBar(err)
  return {
    ...{ out, err, env: process.env, signal, progress },
    print: (...lines) => out.write(lines.map((line) => `${line}\n`).join('')),
    json: (value, indent = 0) => out.write(`${JSON.stringify(value, undefined, indent)}\n`),
    note(text) {
      progress.clear()
      err.write(`${text}\n`)
    },
  }
}
