/**
 * What a command of `onehop` is. Each is a module of this folder whose default export is a `Command`; `commands.ts` lists
 * them, and `main.ts` loads the one that was asked for.
 */
import type { Arguments, OptionsFor, OptionTable } from './options/option.ts'
import type { Io } from './terminal/io.ts'

/** 0: fine. 1: a finding, a failed call, or a failed assertion. 2: wrong usage. 130: interrupted (`main.ts` sets it). */
export type ExitCode = 0 | 1 | 2 | 130

/** The arguments beside the options. */
export interface Operands {
  /** In the help, e.g. `HOST` */
  readonly name: string
  /** How many are needed. */
  readonly min: number
  /** How many are allowed; `Infinity`: any number. */
  readonly max: number
  /** How reports show one that may hold a secret [as it is] */
  readonly shown?: (given: string) => string
}

/** One command, as `main.ts` runs it. Make it with {@link define}. */
export interface Command {
  readonly operands: Operands
  readonly options: OptionTable
  /** Paragraphs between the usage line and the options. */
  readonly description: string
  /** Lines of the help, e.g. `onehop call -n 10 http://orders.shop.local/`, and what they do. */
  readonly examples: readonly { readonly line: string; readonly does: string }[]
  /**
   * Runs it. Ends soon after `io.signal` aborts (Ctrl-C, or a closed pipe), and prints what there is by then.
   * @throws UsageError for arguments that do not go together
   * @throws OnehopError, whose message `main.ts` prints; the exit code is then 1
   */
  run(args: Arguments, io: Io): Promise<ExitCode>
}

/** A command whose `run` gets its options with their types. */
export function define<Values>(
  command: Omit<Command, 'options' | 'run'> & {
    readonly options: OptionsFor<Values>
    run(args: Arguments<Values>, io: Io): Promise<ExitCode>
  },
): Command {
  return command as Command
}
