/** "Did you mean": the known name that a mistyped one comes closest to. */

const MAX_NAME = 40

/** The one of `known` that `name` is most likely a slip of: another case, a letter or two that differ, an end left out. */
export function closest(name: string, known: readonly string[]): string | undefined {
  if (name.length > MAX_NAME) return undefined
  const written = letters(name)
  let best: string | undefined
  let fewest = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const distance = slips(written, letters(candidate))
    if (distance < fewest && distance <= Math.max(1, Math.floor(candidate.length / 4))) {
      best = candidate
      fewest = distance
    }
  }
  return best ?? known.find((candidate) => beginsLike(written, letters(candidate)))
}

function letters(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z\d]/g, '')
}

/** `deadline` for `deadlineMs`, `hedging` for `hedge`. */
function beginsLike(written: string, candidate: string): boolean {
  let common = 0
  while (common < candidate.length && written[common] === candidate[common]) common++
  return common >= 4 && (common === written.length || common >= 0.8 * candidate.length)
}

/** Letters to add, leave out, replace or exchange with the next (Damerau, CACM 7(3), 1964). Names of options are short. */
function slips(one: string, other: string): number {
  let before: number[] = []
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      const exchanged = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1] ? before[j - 2] : undefined
      next.push(
        Math.min(
          replaced,
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (exchanged ?? Number.POSITIVE_INFINITY) + 1,
        ),
      )
    }
    before = row
    row = next
  }
  return row[other.length] ?? 0
}
