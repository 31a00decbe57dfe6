/**
 * Where the warm-up ends: at the cut that leaves the smallest standard error of what remains (MSER; White, "An effective
 * truncation heuristic for bias reduction in simulation output", Simulation 69(6), 1997).
 */
export interface WarmUp {
  /** Blocks to leave out. */
  readonly blocks: number
  /** false: the best cut is half of the run or more, so it may not have settled at all. */
  readonly hasSettled: boolean
}

/** @param blocks one number for each block, such as its median latency; NaN where a block has no calls */
export function warmUpOf(blocks: readonly number[]): WarmUp {
  const limit = Math.floor(blocks.length / 2)
  let best = 0
  let smallest = Number.POSITIVE_INFINITY
  let count = 0
  let mean = 0
  let squares = 0
  // From the end, so that one pass has the mean and the squares of each rest (Welford).
  for (let cut = blocks.length - 1; cut >= 0; cut--) {
    const value = blocks[cut] ?? Number.NaN
    if (Number.isNaN(value)) continue
    count++
    const delta = value - mean
    mean += delta / count
    squares += delta * (value - mean)
    if (cut > limit) continue
    const error = squares / count ** 2
    if (error <= smallest) {
      smallest = error
      best = cut
    }
  }
  return { blocks: best, hasSettled: best < limit || limit === 0 }
}
