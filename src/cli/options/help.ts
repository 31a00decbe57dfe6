import type { Command } from '../command.ts'
import type { Listed } from '../commands.ts'
import type { Output } from '../terminal/output.ts'
import type { Option } from './option.ts'

/** Of the stream that the help goes to. */
type Style = Output['style']

const EXIT_CODES = 'Exit codes: 0 fine, 1 a finding or a failure, 2 wrong usage, 130 interrupted.'

/** The help of `onehop` itself. */
export function mainHelp(commands: Readonly<Record<string, Listed>>, style: Style): string {
  const entries = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
  return lines(
    `${style('bold', 'onehop')}: one network hop between Fargate services`,
    '',
    `Usage: onehop COMMAND [OPTIONS]`,
    '',
    style('bold', 'Commands'),
    ...columns(entries),
    '',
    style('bold', 'Options'),
    ...columns([
      ['-h, --help', 'this help; onehop COMMAND --help: that of a command'],
      ['--version', 'the version of onehop'],
    ]),
    '',
    style('bold', 'Examples'),
    '  onehop doctor orders.shop.local',
    '  onehop call http://orders.shop.local:8080/health',
    '  onehop resolve --json orders.shop.local | jq .endpoints',
    '',
    `Results go to stdout, progress to stderr. ${EXIT_CODES}`,
  )
}

/** The help of one command. */
export function commandHelp(name: string, summary: string, command: Command, style: Style): string {
  const { operands, options, description, examples } = command
  const several = operands.max > 1 ? '...' : ''
  const operand = operands.max === 0 ? '' : ` ${operands.name}${several}`
  return lines(
    `${style('bold', `onehop ${name}`)}: ${summary}`,
    '',
    `Usage: onehop ${name} [OPTIONS]${operand}`,
    '',
    description,
    '',
    style('bold', 'Options'),
    ...columns([
      ...Object.entries(options).map(([key, option]) => [signature(key, option), about(option)] as const),
      ['-h, --help', 'this help'],
    ]),
    '',
    style('bold', 'Examples'),
    ...examples.flatMap(({ line, does }) => [`  ${line}`, style('dim', `      ${does}`)]),
    '',
    EXIT_CODES,
  )
}

function signature(name: string, { short, value }: Option<unknown>): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
}

function about({ description, variable }: Option<unknown>): string {
  return variable === undefined ? description : `${description} ($${variable})`
}

const MAX_LEFT_WIDTH = 26

/** Two columns; a left side that is long has a line of its own. */
function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.min(MAX_LEFT_WIDTH, Math.max(...rows.map(([left]) => left.length)))
  return rows.map(([left, right]) =>
    left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
  )
}

function lines(...parts: readonly string[]): string {
  return `${parts.join('\n')}\n`
}
