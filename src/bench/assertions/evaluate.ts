import type { ArmReport, AssertionResult } from '../report/report.ts'
import { hidesTail } from '../statistics/verdict.ts'
import { lostShare } from '../report/lost-calls.ts'
import { digits, ms } from '../report/numbers.ts'
import type { Assertion, Expression } from './parse.ts'

/** On what was measured, not on intervals. An assertion that needs what the run cannot tell does not hold. */
export function evaluate(assertion: Assertion, arms: readonly ArmReport[]): AssertionResult {
  const values = new Map<string, string>()
  const left = valueOf(assertion.left, arms, values)
  const right = valueOf(assertion.right, arms, values)
  const known = left !== null && right !== null && !Number.isNaN(left) && !Number.isNaN(right)
  return {
    text: assertion.text,
    holds: known ? holds(left, assertion.comparator, right) : null,
    values: [...values].map(([text, value]) => `${text} = ${value}`).join(', '),
  }
}

function holds(left: number, comparator: Assertion['comparator'], right: number): boolean {
  switch (comparator) {
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    case '>=':
      return left >= right
  }
}

function valueOf(
  expression: Expression,
  arms: readonly ArmReport[],
  values: Map<string, string>,
): number | null {
  switch (expression.kind) {
    case 'number':
      return expression.value
    case 'negative': {
      const value = valueOf(expression.of, arms, values)
      return value === null ? null : -value
    }
    case 'measure': {
      const value = measured(expression, arms)
      const isShare = expression.measure.kind === 'errors'
      values.set(expression.text, value === null ? 'cannot tell' : isShare ? digits(value) : ms(value))
      return value
    }
    case 'operation': {
      const left = valueOf(expression.left, arms, values)
      const right = valueOf(expression.right, arms, values)
      return left === null || right === null ? null : calculate(left, expression.operator, right)
    }
  }
}

function calculate(left: number, operator: string, right: number): number {
  if (operator === '+') return left + right
  if (operator === '-') return left - right
  return operator === '*' ? left * right : left / right
}

/** @returns null for an arm that did not take part, too few samples, or too many calls without a latency */
function measured(
  { measure, arm }: Extract<Expression, { readonly kind: 'measure' }>,
  arms: readonly ArmReport[],
): number | null {
  const report =
    arm === 'direct'
      ? arms.find(({ name }) => name === 'dns' || name === 'api')
      : arms.find(({ name }) => name === arm)
  if (report === undefined) return null
  switch (measure.kind) {
    case 'max':
      // A call without a latency may have been the slowest.
      return report.succeeded < report.calls ? null : report.maxMs
    case 'errors':
      return report.calls === 0 ? null : (report.calls - report.succeeded) / report.calls
    case 'percentile':
      if (hidesTail(lostShare(report), measure.share)) return null
      return report.latency.find(({ share }) => share === measure.share)?.ms ?? null
  }
}
