import { closest } from '../../core/check/closest.ts'
import type { Command, Operands } from '../command.ts'
import type { Io } from '../terminal/io.ts'
import { UsageError, wrongValue, type Arguments, type Option, type OptionTable } from './option.ts'

const { parseArgs } = process.getBuiltinModule('node:util')

/**
 * Reads the arguments of a command.
 * @throws UsageError for an option that is unknown, has no value or a wrong one, and for too few or too many operands
 */
export function parse(
  name: string,
  { operands, options }: Pick<Command, 'operands' | 'options'>,
  args: readonly string[],
  env: Io['env'],
): Arguments {
  const tokens = tokensOf(args, options)
  const given = new Map<string, string[]>()
  const others: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') others.push(token.value)
    if (token.kind !== 'option') continue
    const option = options[token.name]
    if (option === undefined) throw new UsageError(unknown(token.rawName, options))
    const texts = given.get(token.name) ?? []
    if (texts.length > 0 && !option.multiple) throw new UsageError(`${token.rawName} is given twice`)
    texts.push(textOf(token, option))
    given.set(token.name, texts)
  }
  checkCount(operands, others)
  return {
    options: Object.fromEntries(
      Object.entries(options).map(([key, option]) => [key, readOption(key, option, given.get(key), env)]),
    ),
    operands: others,
    line: ['onehop', name, ...tokens.map((token) => written(token, operands, options))].join(' '),
  }
}

function tokensOf(args: readonly string[], table: OptionTable) {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { value, short }]) => {
      const type: 'boolean' | 'string' = value === undefined ? 'boolean' : 'string'
      return [name, { type, ...(short !== undefined && { short }) }]
    }),
  )
  return parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true }).tokens
}

type Token = ReturnType<typeof tokensOf>[number]
type OptionToken = Extract<Token, { readonly kind: 'option' }>

function textOf({ rawName, value, inlineValue }: OptionToken, option: Option<unknown>): string {
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`)
    return 'true'
  }
  // `--region --json`: the value was forgotten. `--region=--json` is a value.
  if (value === undefined || (!inlineValue && value.startsWith('--')))
    throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value}`)
  return value
}

function readOption(
  name: string,
  option: Option<unknown>,
  given: readonly string[] | undefined,
  env: Io['env'],
): unknown {
  const { variable } = option
  const fromEnv = variable === undefined || env[variable] === '' ? undefined : env[variable]
  const texts = given ?? (fromEnv === undefined ? [] : [fromEnv])
  try {
    return option.read(texts)
  } catch (error) {
    const source = given === undefined ? `the variable ${variable}` : `--${name}`
    throw wrongValue(source, texts.join(', '), (error as Error).message)
  }
}

function unknown(rawName: string, options: OptionTable): string {
  const known = Object.keys(options).map((name) => `--${name}`)
  return `no such option ${rawName}${suggestion(rawName, [...known, '--help'])}`
}

/** ` (did you mean resolve?)`, or nothing where no word is near. */
export function suggestion(given: string, words: readonly string[]): string {
  const meant = closest(given, words)
  return meant === undefined ? '' : ` (did you mean ${meant}?)`
}

function checkCount({ name, min, max }: Operands, others: readonly string[]): void {
  if (others.length < min) throw new UsageError(`${name} is missing`)
  if (others.length <= max) return
  const excess = others.slice(max).map((other) => `"${other}"`)
  throw new UsageError(
    max === 0 ? `takes no ${excess.join(', ')}` : `takes one ${name}; ${excess.join(', ')} is too much`,
  )
}

/** One argument, or an option with its value, without secrets. */
function written(token: Token, { shown = (text) => text }: Operands, options: OptionTable): string {
  if (token.kind === 'option-terminator') return '--'
  if (token.kind === 'positional') return quoted(shown(token.value))
  const { rawName, value, inlineValue } = token
  if (value === undefined) return rawName
  const text = options[token.name]?.shown(value) ?? ''
  if (inlineValue) return quoted(`${rawName}${rawName.startsWith('--') ? '=' : ''}${text}`)
  return `${rawName} ${quoted(text)}`
}

/** As a shell reads it. */
function quoted(text: string): string {
  return /^[\w@%+=:,./…-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
