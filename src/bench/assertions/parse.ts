/**
 * `--assert 'p99(direct) <= 1.05 * p99(fallback)'`: a comparison of two sums of products. Numbers may have a unit of time
 * (`us`, `ms`, `s`); without one they are ms, or shares.
 */
/** What can be asked of an arm. */
export type Measure =
  | { readonly kind: 'percentile'; readonly share: number }
  | { readonly kind: 'max' | 'errors' }

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'measure'; readonly measure: Measure; readonly arm: string; readonly text: string }
  | { readonly kind: 'negative'; readonly of: Expression }
  | {
      readonly kind: 'operation'
      readonly operator: string
      readonly left: Expression
      readonly right: Expression
    }

export type Comparator = '<' | '<=' | '>' | '>='

export interface Assertion {
  readonly text: string
  readonly left: Expression
  readonly comparator: Comparator
  readonly right: Expression
  /** That it asks something of, e.g. `direct` and `fallback`. */
  readonly arms: ReadonlySet<string>
}

/** An assertion that cannot be read: the message shows where. Not an error of the library, which the help must not load. */
export class AssertionSyntaxError extends Error {
  constructor(text: string, position: number, allowed: string) {
    super(`${allowed}\n  ${text}\n  ${' '.repeat(position)}^`)
  }
}

const ARMS = ['direct', 'dns', 'api', 'fallback', 'undici', 'control']
const COMPARATORS: ReadonlySet<string> = new Set(['<=', '>=', '<', '>'])
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
  const comparator = parser.comparator()
  const right = parser.sum()
  parser.end()
  return { text, left, comparator, right, arms: parser.arms }
}

class Parser {
  readonly arms: Set<string> = new Set()
  readonly #text: string
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }

  sum(): Expression {
    return this.#chain(['+', '-'], () => this.#product())
  }

  comparator(): Comparator {
    const token = this.#tokens[this.#next]
    if (token === undefined || !COMPARATORS.has(token.text)) throw this.#wrong('<, <=, > or >=')
    this.#next++
    return token.text as Comparator
  }

  end(): void {
    if (this.#next < this.#tokens.length)
      throw this.#wrong('one comparison in each --assert, and nothing after it')
  }

  #product(): Expression {
    return this.#chain(['*', '/'], () => this.#factor())
  }

  #chain(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand()
    for (;;) {
      const operator = this.#tokens[this.#next]?.text
      if (operator === undefined || !operators.includes(operator)) return left
      this.#next++
      left = { kind: 'operation', operator, left, right: operand() }
    }
  }

  #factor(): Expression {
    const token = this.#tokens[this.#next]
    if (token === undefined) throw this.#wrong('a number, or p99(direct)')
    if (token.value !== undefined) {
      this.#next++
      return { kind: 'number', value: token.value }
    }
    if (token.text === '-') {
      this.#next++
      return { kind: 'negative', of: this.#factor() }
    }
    if (token.text === '(') {
      this.#next++
      const inner = this.sum()
      this.#expect(')')
      return inner
    }
    return this.#measure()
  }

  #measure(): Expression {
    const name = this.#tokens[this.#next]?.text ?? ''
    const measure = measureOf(name)
    if (measure === undefined) throw this.#wrong('a number, p50, p90, p99, p99.9, max or errors')
    this.#next++
    this.#expect('(')
    const arm = this.#tokens[this.#next]?.text ?? ''
    if (!ARMS.includes(arm)) throw this.#wrong(`an arm: ${ARMS.join(', ')}`)
    this.#next++
    this.#expect(')')
    this.arms.add(arm)
    return { kind: 'measure', measure, arm, text: `${name}(${arm})` }
  }

  #expect(symbol: string): void {
    if (this.#tokens[this.#next]?.text !== symbol) throw this.#wrong(symbol)
    this.#next++
  }

  #wrong(allowed: string): AssertionSyntaxError {
    return new AssertionSyntaxError(
      this.#text,
      this.#tokens[this.#next]?.position ?? this.#text.length,
      allowed,
    )
  }
}

const SHARES: Readonly<Record<string, number>> = { p50: 0.5, p90: 0.9, p99: 0.99, 'p99.9': 0.999 }

function measureOf(name: string): Measure | undefined {
  const share = Object.hasOwn(SHARES, name) ? SHARES[name] : undefined
  if (share !== undefined) return { kind: 'percentile', share }
  return name === 'max' || name === 'errors' ? { kind: name } : undefined
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
      throw new AssertionSyntaxError(
        text,
        position,
        'a comparison such as p99(direct) <= 1.05 * p99(fallback)',
      )
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
