/** Evaluates simulations. */
import type { Outcome, Second } from '../../simulation/measures.ts'
import { POLICIES, type Policy } from '../../simulation/policies.ts'

const FIRST_TASK = '10.0.0.1'

export function policy(name: string): Policy {
  const found = POLICIES.find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no policy ${name}`)
  return found
}

/** Of the attempts in seconds after `from`, up to `to`. */
export function shareOfFirst(outcome: Outcome, from: number, to: number): number {
  return shareOf(FIRST_TASK, outcome, from, to)
}

export function shareOf(address: string, { seconds }: Outcome, from: number, to: number): number {
  const within = seconds.filter(({ at }) => at > from && at <= to)
  const sum = (count: (second: Second) => number): number =>
    within.reduce((total, second) => total + count(second), 0)
  return sum(({ attempts }) => attempts.get(address) ?? 0) / sum(attemptsOf)
}

export function attemptsOf({ attempts }: Second): number {
  return [...attempts.values()].reduce((one, other) => one + other, 0)
}
