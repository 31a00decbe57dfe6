/**
 * `--assert 'p99(direct) <= 1.05 * p99(fallback)'`: a comparison of two sums of products. Numbers may have a unit of time
 * (`us`, `ms`, `s`); without one they are ms, or shares.
 */
import { percentileName, PERCENTILES } from '../statistics/percentiles.ts'

/** What can be asked of an arm. */
export type Measure =
  | { readonly kind: 'percentile'; readonly share: number }
  | { readonly kind: 'max' | 'errors' }

/** What the run says of `p99(direct)`; NaN where it cannot tell. */
export type ValueOf = (measure: Measure, arm: string, text: string) => number

/** Calculates a sum, which is NaN if one of its parts is. */
type Sum = (valueOf: ValueOf) => number

export interface Assertion {
  readonly text: string
  /** That it asks something of, e.g. `direct` and `fallback`. */
  readonly arms: ReadonlySet<string>
  /** @returns null where a part of it is not known */
  readonly holds: (valueOf: ValueOf) => boolean | null
}

/** An assertion that cannot be read: the message shows where. Not an error of the library, which the help must not load. */
export class AssertionSyntaxError extends Error {
  constructor(text: string, position: number, allowed: string) {
    super(`${allowed}\n  ${text}\n  ${' '.repeat(position)}^`)
  }
}

type Operator = (left: number, right: number) => number

const ARMS = ['direct', 'dns', 'api', 'fallback', 'undici', 'control']
const MEASURES = new Map<string, Measure>([
  ...PERCENTILES.map((share) => [percentileName(share), { kind: 'percentile', share }] as const),
  ['max', { kind: 'max' }],
  ['errors', { kind: 'errors' }],
])
const COMPARISONS = new Map<string, (left: number, right: number) => boolean>([
  ['<', (left, right) => left < right],
  ['<=', (left, right) => left <= right],
  ['>', (left, right) => left > right],
  ['>=', (left, right) => left >= right],
])
const SUMS = new Map<string, Operator>([
  ['+', (left, right) => left + right],
  ['-', (left, right) => left - right],
])
const PRODUCTS = new Map<string, Operator>([
  ['*', (left, right) => left * right],
  ['/', (left, right) => left / right],
])
const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 }
const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?)(?<unit>us|ms|s)?(?![\w.])|(?<word>[a-z][a-z\d.]*)|(?<symbol><=|>=|[<>+\-*/()]))/iy

interface Token {
  readonly text: string
  readonly position: number
  /** In ms where there is a unit. */
  readonly value: number | undefined
}

/** @throws AssertionSyntaxError */
export function parseAssertion(text: string): Assertion {
  const parser = new Parser(text)
  const left = parser.sum()
  const compare = parser.take((symbol) => COMPARISONS.get(symbol), '<, <=, > or >=')
  const right = parser.sum()
  parser.end()
  return {
    text,
    arms: parser.arms,
    holds(valueOf) {
      const [a, b] = [left(valueOf), right(valueOf)]
      return Number.isNaN(a) || Number.isNaN(b) ? null : compare(a, b)
    },
  }
}

/** A recursive descent parser. Each method returns a function that calculates what it has read. */
class Parser {
  readonly arms: Set<string> = new Set()
  readonly #text: string
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }

  sum(): Sum {
    return this.#chain(SUMS, () => this.#chain(PRODUCTS, () => this.#factor()))
  }

  /**
   * What the next token stands for.
   * @throws AssertionSyntaxError if that is nothing
   */
  take<Meaning>(meaningOf: (token: string) => Meaning | undefined, allowed: string): Meaning {
    const meaning = meaningOf(this.#token?.text ?? '')
    if (meaning === undefined) throw this.#wrong(allowed)
    this.#next++
    return meaning
  }

  end(): void {
    if (this.#token !== undefined) throw this.#wrong('one comparison in each --assert, and nothing after it')
  }

  get #token(): Token | undefined {
    return this.#tokens[this.#next]
  }

  #chain(operators: ReadonlyMap<string, Operator>, operand: () => Sum): Sum {
    let sum = operand()
    for (;;) {
      const operator = operators.get(this.#token?.text ?? '')
      if (operator === undefined) return sum
      this.#next++
      const [left, right] = [sum, operand()]
      sum = (valueOf) => operator(left(valueOf), right(valueOf))
    }
  }

  #factor(): Sum {
    const token = this.#token
    if (token === undefined) throw this.#wrong('a number, or p99(direct)')
    const { value, text } = token
    if (value === undefined && text !== '-' && text !== '(') return this.#measure(text)
    this.#next++
    if (value !== undefined) return () => value
    if (text === '-') {
      const negated = this.#factor()
      return (valueOf) => -negated(valueOf)
    }
    const inner = this.sum()
    this.#expect(')')
    return inner
  }

  #measure(name: string): Sum {
    const measure = this.take((token) => MEASURES.get(token), 'a number, p50, p90, p99, p99.9, max or errors')
    this.#expect('(')
    const arm = this.take((token) => ARMS.find((known) => known === token), `an arm: ${ARMS.join(', ')}`)
    this.#expect(')')
    this.arms.add(arm)
    return (valueOf) => valueOf(measure, arm, `${name}(${arm})`)
  }

  #expect(symbol: string): void {
    this.take((token) => (token === symbol ? symbol : undefined), symbol)
  }

  #wrong(allowed: string): AssertionSyntaxError {
    return new AssertionSyntaxError(this.#text, this.#token?.position ?? this.#text.length, allowed)
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  const pattern = new RegExp(TOKEN)
  const end = text.trimEnd().length
  while (pattern.lastIndex < end) {
    const from = pattern.lastIndex
    const groups = pattern.exec(text)?.groups
    if (groups === undefined) {
      const position = from + (/\S/.exec(text.slice(from))?.index ?? 0)
      const allowed = 'a comparison such as p99(direct) <= 1.05 * p99(fallback)'
      throw new AssertionSyntaxError(text, position, allowed)
    }
    const { number, unit = '', word, symbol } = groups
    const shown = number === undefined ? (word ?? symbol ?? '') : `${number}${unit}`
    tokens.push({
      text: shown,
      position: pattern.lastIndex - shown.length,
      value: number === undefined ? undefined : Number(number) * (UNITS[unit.toLowerCase()] ?? 1),
    })
  }
  return tokens
}
