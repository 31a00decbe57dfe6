/** How many letters may be wrong. */
const MAX_DISTANCE = 3

/** ` (did you mean "resolve"?)`, or nothing where no word is near. */
export function suggestion(given: string, words: readonly string[]): string {
  let nearest: string | undefined
  let least = Math.min(MAX_DISTANCE, Math.ceil(given.length / 2)) + 1
  for (const word of words) {
    // A beginning is as good as a word: `--name` for `--namespace`.
    const far = given.length > 2 && word.startsWith(given) ? 1 : distance(given, word)
    if (far < least) [nearest, least] = [word, far]
  }
  return nearest === undefined ? '' : ` (did you mean ${nearest}?)`
}

/** Levenshtein's: how many letters to insert, remove or replace. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
