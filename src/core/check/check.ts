/**
 * Checks for what users write: each takes the option's path and its value, returns the value with its type,
 * or throws an `InvalidOptionsError` with the path, the given value and the allowed values.
 *
 * They take no defaults: `value === undefined ? fallback : checkNumber(path, value, range)`.
 */
import { InvalidOptionsError } from '../errors.ts'
import { closest } from './closest.ts'
import { NO_SUCH_OPTION } from './given.ts'

/** Options, each of which may be missing or undefined. */
export type Optional<Options> = { readonly [Key in keyof Options]?: Options[Key] | undefined }

export interface NumberRange {
  /** Smallest allowed value [none]. */
  readonly min?: number
  /** Largest allowed value [none]. */
  readonly max?: number
  /** Only whole numbers [false]. */
  readonly integer?: boolean
  /** For people, e.g. `ms`: "a number of ms from 0". */
  readonly unit?: string
}

/** Times are at most one day: what is more was meant in another unit. */
export const MAX_MS = 86_400_000

/** `eu-west-1`, `us-gov-east-1`, `eusc-de-east-1`; a zone has a letter at its end. */
export const AWS_REGION: RegExp = /^[a-z]{2,}(-[a-z]+)+-\d+$/

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/

/** `services` and `orders.shop.local` make `services["orders.shop.local"]`; an empty path is the root. */
export function keyPath(path: string, key: string): string {
  if (!IDENTIFIER.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

/** An object with keys: no array, no null, no instance of `Map`, `Date` and the like. */
export function checkRecord(
  path: string,
  value: unknown,
  allowed = 'a plain object',
): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new InvalidOptionsError(path === '' ? 'options' : path, value, allowed)
  return value
}

/**
 * A record that holds none but the allowed keys: a mistyped option must not be passed over in silence.
 * @param besides another allowed value, for the message, e.g. `false`
 */
export function checkKeys(
  path: string,
  value: unknown,
  allowed: readonly string[],
  besides?: string,
): Readonly<Record<string, unknown>> {
  // Doors acquire a lease for each request: the words of an error are put together only for an error.
  if (!isRecord(value)) {
    const plain = `a plain object of ${allowed.join(', ')}`
    return checkRecord(path, value, besides === undefined ? plain : `${besides}, or ${plain}`)
  }
  for (const key of Object.keys(value)) if (!allowed.includes(key)) throw noSuchOption(path, key, allowed)
  return value
}

/** @param path of the object that has the option */
export function noSuchOption(path: string, key: string, known: readonly string[]): InvalidOptionsError {
  const meant = closest(key, known)
  const question = meant === undefined ? '' : `did you mean ${meant}? `
  return new InvalidOptionsError(keyPath(path, key), NO_SUCH_OPTION, `${question}known: ${known.join(', ')}`)
}

export function checkNumber(path: string, value: unknown, range: NumberRange = {}): number {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, integer = false } = range
  const valid =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    value >= min &&
    value <= max &&
    (!integer || Number.isInteger(value))
  if (!valid) throw new InvalidOptionsError(path, value, describeRange(range))
  return value
}

/** The check for numbers in a range, as `given` and `Section.read` take it. */
export function numberIn(range: NumberRange): (path: string, value: unknown) => number {
  return (path, value) => checkNumber(path, value, range)
}

/** The check for times in ms, from `min` to a day. */
export function msFrom(min: number): (path: string, value: unknown) => number {
  return (path, value) => checkMs(path, value, min)
}

/** A time in ms, from `min` [0] to a day. */
export function checkMs(path: string, value: unknown, min = 0): number {
  return checkNumber(path, value, { min, max: MAX_MS, unit: 'ms' })
}

/** A TCP or UDP port, 1 to 65535. */
export function checkPort(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 1, max: 65_535, integer: true })
}

// RFC 9110 section 5.6.2.
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** @returns in lower case */
export function checkHeaderName(path: string, value: unknown, allowed: string): string {
  return checkText(path, value, allowed, (name) => TOKEN.test(name)).toLowerCase()
}

/** @param allowed for people; say what is special about the string, e.g. `a host name` */
export function checkString(path: string, value: unknown, allowed = 'a non-empty string'): string {
  if (typeof value !== 'string' || value === '') throw new InvalidOptionsError(path, value, allowed)
  return value
}

/** A string that passes a test of its own. */
export function checkText(
  path: string,
  value: unknown,
  allowed: string,
  isAllowed: (text: string) => boolean,
): string {
  const text = checkString(path, value, allowed)
  if (!isAllowed(text)) throw new InvalidOptionsError(path, value, allowed)
  return text
}

export function checkBoolean(path: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new InvalidOptionsError(path, value, 'true or false')
  return value
}

/** @param besides another allowed value, for the message, e.g. `a resolver` */
export function checkOneOf<Choice extends string | number | boolean>(
  path: string,
  value: unknown,
  choices: readonly Choice[],
  besides?: string,
): Choice {
  const found = choices.find((choice) => choice === value)
  if (found === undefined) {
    const listed = choices.map((choice) => JSON.stringify(choice)).join(', ')
    throw new InvalidOptionsError(path, value, besides === undefined ? listed : `${listed}, or ${besides}`)
  }
  return found
}

/** An array whose items all pass `checkItem(itemPath, item)`; the path of an item is `servers[2]`. */
export function checkArray<Item>(
  path: string,
  value: unknown,
  allowed: string,
  checkItem: (path: string, item: unknown) => Item,
): readonly Item[] {
  if (!Array.isArray(value)) throw new InvalidOptionsError(path, value, allowed)
  return value.map((item: unknown, index) => checkItem(`${path}[${index}]`, item))
}

/** The items of an array, or the one that stands there instead. */
export function checkOneOrMany<Item>(
  path: string,
  value: unknown,
  checkItem: (path: string, item: unknown) => Item,
): readonly Item[] {
  return Array.isArray(value) ? checkArray(path, value, '', checkItem) : [checkItem(path, value)]
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // The second test lets plain objects of another realm pass (test runners, worker contexts).
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function describeRange(range: NumberRange): string {
  const { min, max, integer = false, unit } = range
  const kind = `${integer ? 'an integer' : 'a number'}${unit === undefined ? '' : ` of ${unit}`}`
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`
  if (min !== undefined) return `${kind} from ${min}`
  if (max !== undefined) return `${kind} up to ${max}`
  return kind
}

/** The default where the user wrote nothing, else what the check makes of what was written. */
export function given<Value>(
  path: string,
  value: unknown,
  otherwise: Value,
  check: (path: string, value: unknown) => Value,
): Value {
  return value === undefined ? otherwise : check(path, value)
}
