/** The kinds of options that commands have. An option is read from its texts, or from its environment variable. */

import { describeGiven } from '../../core/check/given.ts'

/** One option of a command. */
export interface Option<Value> {
  readonly description: string
  /** Stands for the value in the help, e.g. `MS`; undefined: a switch, which takes none. */
  readonly value: string | undefined
  /** One letter. */
  readonly short: string | undefined
  /** The environment variable that is read when the option is not given. */
  readonly variable: string | undefined
  /** Whether it may be given several times. */
  readonly multiple: boolean
  /** How reports show a value of it that may be a secret. */
  readonly shown: (given: string) => string
  /**
   * @param texts as given; none: the default
   * @throws Error whose message says what is allowed
   */
  read(texts: readonly string[]): Value
}

/** Options by their long names. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** What a table's options have been read as. */
export type Values<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer Value> ? Value : never
}

/** The command line of a command, read. */
export interface Arguments<Options = Readonly<Record<string, unknown>>> {
  readonly options: Options
  readonly operands: readonly string[]
  /** The command line as it was given, without secrets, to be shown in reports: `onehop bench --seed 7 …` */
  readonly line: string
}

/** What all kinds have in common. Defaults in brackets. */
interface Common {
  readonly description: string
  /** [none] */
  readonly short?: string
  /** [none] */
  readonly variable?: string
  /** [as it is] */
  readonly shown?: (given: string) => string
}

interface Valued extends Common {
  /** Stands for the value in the help. */
  readonly value: string
}

/** The command line is wrong: `main.ts` prints the message and how to get help, and exits with 2. */
export class UsageError extends Error {}

/**
 * A value that is not allowed; the message shows no secret.
 * @param source of the value, e.g. `--via`
 * @param allowed all that is accepted
 */
export function wrongValue(source: string, given: string, allowed: string): UsageError {
  return new UsageError(`${source}: got ${describeGiven(source, given)}; allowed: ${allowed}`)
}

/** A switch: false unless it is given. The variable switches it on with `1` or `true`. */
export function flag(common: Common): Option<boolean> {
  return {
    ...plain({ value: undefined, ...common }),
    read: ([given]) => {
      if (given === undefined || given === '0' || given === 'false') return false
      if (given === '1' || given === 'true') return true
      throw new Error('1 or 0')
    },
  }
}

/** A text. */
export function text<Default extends string | undefined>(
  valued: Valued & { readonly default: Default; readonly check?: (text: string) => string },
): Option<string | Default> {
  const { default: otherwise, check = (given) => given, ...rest } = valued
  return { ...plain(rest), read: ([given]) => (given === undefined ? otherwise : check(given)) }
}

/** A number within bounds. */
export function number<Default extends number | undefined>(
  valued: Valued & {
    readonly default: Default
    readonly min: number
    /** [any] */
    readonly max?: number
    /** [true] */
    readonly integer?: boolean
  },
): Option<number | Default> {
  const { default: otherwise, min, max = Number.POSITIVE_INFINITY, integer = true, ...rest } = valued
  const kind = integer ? 'an integer' : 'a number'
  const allowed = max === Number.POSITIVE_INFINITY ? `${kind} from ${min}` : `${kind} from ${min} to ${max}`
  return {
    ...plain(rest),
    read: ([given]) => {
      if (given === undefined) return otherwise
      const read = given.trim() === '' ? Number.NaN : Number(given)
      const isOne =
        Number.isFinite(read) && read >= min && read <= max && (!integer || Number.isInteger(read))
      if (!isOne) throw new Error(allowed)
      return read
    },
  }
}

/** One of several words. */
export function oneOf<Word extends string, Default extends Word | undefined>(
  words: readonly Word[],
  valued: Valued & { readonly default: Default },
): Option<Word | Default> {
  const { default: otherwise, ...rest } = valued
  return {
    ...plain(rest),
    read: ([given]) => {
      if (given === undefined) return otherwise
      const word = words.find((one) => one === given)
      if (word === undefined) throw new Error(words.join(', '))
      return word
    },
  }
}

/** Texts: the option may be given several times. With `split`, a text may hold several, with commas between them. */
export function list(valued: Valued & { readonly split?: boolean }): Option<readonly string[]> {
  const { split = false, ...rest } = valued
  return {
    ...plain(rest),
    multiple: true,
    read: (texts) =>
      split
        ? texts.flatMap((given) => given.split(',').map((part) => part.trim())).filter((part) => part !== '')
        : texts,
  }
}

function plain(given: Common & { readonly value: string | undefined }): Omit<Option<never>, 'read'> {
  const { description, value, short, variable, shown = asItIs } = given
  return { description, value, short, variable, multiple: false, shown }
}

function asItIs(given: string): string {
  return given
}
