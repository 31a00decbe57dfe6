/** How cases are made and counted: the same ones each time, unless `ONEHOP_FUZZ_SEED` says otherwise. */
import fc, { type IAsyncPropertyWithHooks, type IPropertyWithHooks } from 'fast-check'

export const baseSeed: number = Number.parseInt(process.env['ONEHOP_FUZZ_SEED'] ?? '20260101', 10)

/**
 * Making a failing case small stops then, with the smallest so far; so does a property that takes too long. A machine with other
 * load takes ten times as long as one without.
 */
const LIMIT_MS = 270_000

function parameters<Case>(numRuns: number): fc.Parameters<Case> {
  return { seed: baseSeed, numRuns, interruptAfterTimeLimit: LIMIT_MS, markInterruptAsFailure: true }
}

/** On failure the error tells the seed, and the smallest case that fails. */
export function fuzz<Case>(runs: number, property: IPropertyWithHooks<Case>): void {
  fc.assert(property, parameters(runs))
}

export async function fuzzAsync<Case>(runs: number, property: IAsyncPropertyWithHooks<Case>): Promise<void> {
  await fc.assert(property, parameters(runs))
}
