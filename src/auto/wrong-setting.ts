import { describeGiven, withoutSecrets } from '../core/check/given.ts'

/** A variable, or the file of `ONEHOP_CONFIG`, cannot be used. The message is for an operator, and shows no secret. */
export class WrongSetting extends Error {}

/** @param allowed all that is accepted */
export function wrongValue(variable: string, given: string, allowed: string): WrongSetting {
  return new WrongSetting(`${variable}: got ${describeGiven(variable, given)}; allowed: ${allowed}`)
}

/** What is printed of an error: no stack, and no secret. */
export function messageOf(error: unknown): string {
  if (error instanceof WrongSetting) return error.message
  return withoutSecrets(error instanceof Error ? error.message : String(error))
}
