import { closest } from '../../core/check/closest.ts'

/** ` (did you mean resolve?)`, or nothing where no word is near. */
export function suggestion(given: string, words: readonly string[]): string {
  const meant = closest(given, words)
  return meant === undefined ? '' : ` (did you mean ${meant}?)`
}
