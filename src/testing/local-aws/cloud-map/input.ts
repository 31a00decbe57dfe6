/** Reads the members of a request, which came over the wire: all throw AwsError `InvalidInput`. */
import { invalidInput } from './aws-error.ts'
import type { Registry } from '../registry.ts'

export type Input = Readonly<Record<string, unknown>>

/**
 * One operation of the API: what it answers, as the JSON that AWS sends.
 * @throws AwsError
 */
export type Handler = (registry: Registry, input: Input) => object

export function parseInput(body: string): Input {
  let value: unknown
  try {
    value = JSON.parse(body === '' ? '{}' : body)
  } catch {
    throw invalidInput('the body must be JSON')
  }
  if (!isObject(value)) throw invalidInput('the body must be a JSON object')
  return value
}

export function text(input: Input, name: string): string {
  const value = input[name]
  if (typeof value !== 'string' || value === '') throw invalidInput(`${name} is needed`)
  return value
}

export function optionalText(input: Input, name: string): string | undefined {
  return input[name] === undefined || input[name] === null ? undefined : text(input, name)
}

export function oneOf<Choice extends string>(
  input: Input,
  name: string,
  choices: readonly Choice[],
  otherwise?: Choice,
): Choice {
  const value = input[name] ?? otherwise
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw invalidInput(`${name} must be one of ${choices.join(', ')}`)
  return found
}

export function integer(
  input: Input,
  name: string,
  range: { readonly min: number; readonly max: number; readonly otherwise?: number },
): number {
  const value = input[name] ?? range.otherwise
  if (typeof value !== 'number' || !Number.isInteger(value) || value < range.min || value > range.max)
    throw invalidInput(`${name} must be an integer from ${range.min} to ${range.max}`)
  return value
}

/** An object within the request; empty when it is not there. */
export function part(input: Input, name: string): Input {
  const value = input[name] ?? {}
  if (!isObject(value)) throw invalidInput(`${name} must be an object`)
  return value
}

export function parts(input: Input, name: string): readonly Input[] {
  const value = input[name] ?? []
  if (!Array.isArray(value) || !value.every(isObject)) throw invalidInput(`${name} must be a list of objects`)
  return value
}

export function texts(input: Input, name: string): readonly string[] {
  const value = input[name] ?? []
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string'))
    throw invalidInput(`${name} must be a list of strings`)
  return value
}

export function textMap(input: Input, name: string): Readonly<Record<string, string>> {
  const value = part(input, name)
  if (!Object.values(value).every((entry) => typeof entry === 'string'))
    throw invalidInput(`${name} must be a map of strings`)
  return value as Record<string, string>
}

/** One page of a list, with the token of the next: the place where it begins. */
export function page<Item>(
  items: readonly Item[],
  input: Input,
): { readonly items: readonly Item[]; readonly next: { readonly NextToken?: string } } {
  const size = integer(input, 'MaxResults', { min: 1, max: 100, otherwise: 100 })
  const from = Number(optionalText(input, 'NextToken') ?? '0')
  if (!Number.isInteger(from) || from < 0) throw invalidInput('NextToken is none of ours')
  const to = from + size
  return { items: items.slice(from, to), next: to < items.length ? { NextToken: String(to) } : {} }
}

/** Whether something with these facts passes all `Filters` of a List operation. */
export function passesFilters(input: Input, facts: Readonly<Record<string, string>>): boolean {
  return parts(input, 'Filters').every((filter) => {
    const name = text(filter, 'Name')
    const fact = facts[name]
    if (fact === undefined) throw invalidInput(`no filter ${name} here`)
    const values = texts(filter, 'Values')
    const condition = oneOf(filter, 'Condition', ['EQ', 'IN', 'BEGINS_WITH'], 'EQ')
    return condition === 'BEGINS_WITH'
      ? values.some((start) => fact.startsWith(start))
      : values.includes(fact)
  })
}

function isObject(value: unknown): value is Input {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
