/** Which arms take part in a run, by the options of `onehop bench`. */
import { isDirect, WAYS, type Way } from '../../bench/arms/arm.ts'
import type { Assertion } from '../../bench/assertions/parse.ts'
import type { BenchSettings } from '../../bench/settings.ts'
import { commaList, UsageError, type Option } from '../options/option.ts'

export interface ArmValues {
  /** None: all that can be called. */
  readonly arms: readonly Way[]
  /** [the first arm] */
  readonly control: Way | 'none' | undefined
  /** [fallback, else undici] */
  readonly baseline: Way | undefined
  readonly assert: readonly Assertion[]
}

const names = commaList('ARMS', 'ways to compare: dns, api, fallback, undici [all that can be called]')

export const armsFlag: Option<readonly Way[]> = {
  ...names,
  read: (texts) =>
    names.read(texts).map((name) => {
      const way = WAYS.find((one) => one === name)
      if (way === undefined) throw new UsageError(`${WAYS.join(', ')}, with commas between them`)
      return way
    }),
}

/** @throws UsageError for an arm that cannot take part, or that an option names and that does not take part */
export function armsOf(
  { arms, control: wanted, baseline, assert }: ArmValues,
  hasFallback: boolean,
): Pick<BenchSettings, 'ways' | 'optional' | 'control' | 'baseline'> {
  if (arms.includes('fallback') && !hasFallback)
    throw new UsageError('--arms: fallback needs the URL of the load balancer; give --fallback')
  if (new Set(arms).size < arms.length) throw new UsageError('--arms: an arm is given twice')
  const all = WAYS.filter((way) => way !== 'fallback' || hasFallback)
  const ways = arms.length > 0 ? arms : all
  const control = wanted === 'none' ? undefined : (wanted ?? ways[0])
  checkTakesPart('control', control, ways, [...ways, 'none'])
  checkAssertions(assert, [
    ...ways,
    ...(ways.some(isDirect) ? ['direct'] : []),
    ...(control === undefined ? [] : ['control']),
  ])
  checkTakesPart('baseline', baseline, ways, ways)
  // The API takes permissions. Without a load balancer, undici needs a name that the system knows.
  const optional: readonly Way[] = hasFallback ? ['api'] : ['api', 'undici']
  return {
    ways,
    optional: new Set(arms.length > 0 ? [] : optional),
    control,
    baseline:
      baseline ?? (['fallback', 'undici'] as const).find((way) => ways.includes(way)) ?? ways[0] ?? 'undici',
  }
}

function checkTakesPart(
  option: string,
  way: Way | undefined,
  ways: readonly Way[],
  allowed: readonly string[],
): void {
  if (way !== undefined && !ways.includes(way))
    throw new UsageError(
      `--${option}: got "${way}", which is not an arm of this run; allowed: ${allowed.join(', ')}`,
    )
}

/** Before the run: an arm that does not take part would be noticed after minutes. */
function checkAssertions(assertions: readonly Assertion[], known: readonly string[]): void {
  for (const { text, arms } of assertions)
    for (const arm of arms)
      if (!known.includes(arm))
        throw new UsageError(
          `--assert: "${text}" asks for ${arm}, which is not an arm of this run; allowed: ${known.join(', ')}`,
        )
}
