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

/** The options that are read as these values. */
export type OptionsFor<Values> = { readonly [Name in keyof Values]: Option<Values[Name]> }

/** The command line of a command, read. */
export interface Arguments<Options = Readonly<Record<string, unknown>>> {
  readonly options: Options
  readonly operands: readonly string[]
  /** The command line as it was given, without secrets, to be shown in reports: `onehop bench --seed 7 …` */
  readonly line: string
}

/** What all kinds may have. Defaults in brackets. */
interface Common {
  /** [none] */
  readonly short?: string
  /** [none] */
  readonly variable?: string
  /** [as it is] */
  readonly shown?: (given: string) => string
}

interface Defaulted<Default> extends Common {
  /** [undefined] */
  readonly default?: Default
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

/** A switch: false unless it is given. */
export function flag(description: string): Option<boolean> {
  return option(undefined, description, {}, ({ length }) => length > 0)
}

/**
 * A value that `read` makes of its text.
 * @param value stands for it in the help
 * @param read throws an error whose message says what is allowed
 */
export function valued<Value, Default = undefined>(
  value: string,
  description: string,
  read: (given: string) => Value,
  more: Defaulted<Default> = {},
): Option<Value | Default> {
  return option(value, description, more, ([given]) =>
    given === undefined ? (more.default as Default) : read(given),
  )
}

/** A text. */
export function text(value: string, description: string, more: Common = {}): Option<string | undefined> {
  return valued(value, description, (given) => given, more)
}

/** A number within bounds. */
export function number<Default extends number | undefined = undefined>(
  value: string,
  description: string,
  more: Defaulted<Default> & {
    readonly min: number
    readonly max: number
    /** [true] */
    readonly integer?: boolean
  },
): Option<number | Default> {
  const { min, max, integer = true } = more
  const read = (given: string): number => {
    const parsed = given.trim() === '' ? Number.NaN : Number(given)
    if (parsed >= min && parsed <= max && (!integer || Number.isInteger(parsed))) return parsed
    throw new Error(`${integer ? 'an integer' : 'a number'} from ${min} to ${max}`)
  }
  return valued(value, description, read, more)
}

/** One of several words. */
export function oneOf<Word extends string, Default extends Word | undefined = undefined>(
  words: readonly Word[],
  value: string,
  description: string,
  more: Defaulted<Default> = {},
): Option<Word | Default> {
  const read = (given: string): Word => {
    const word = words.find((one) => one === given)
    if (word === undefined) throw new Error(words.join(', '))
    return word
  }
  return valued(value, description, read, more)
}

/** Texts: the option may be given several times. */
export function list(value: string, description: string, more: Common = {}): Option<readonly string[]> {
  return { ...option(value, description, more, (texts) => texts), multiple: true }
}

/** As {@link list}; a text may hold several, with commas between them. */
export function commaList(value: string, description: string, more: Common = {}): Option<readonly string[]> {
  const read = (texts: readonly string[]): readonly string[] =>
    texts.flatMap((given) => given.split(',').map((part) => part.trim())).filter((part) => part !== '')
  return { ...list(value, description, more), read }
}

function option<Value>(
  value: string | undefined,
  description: string,
  { short, variable, shown = (given) => given }: Common,
  read: Option<Value>['read'],
): Option<Value> {
  return { description, value, short, variable, multiple: false, shown, read }
}
