import { isDirect, WAYS, type Way } from '../../bench/arms/arm.ts'
import type { BenchSettings } from '../../bench/settings.ts'
import { callOptions, caOf, discoveryOptions, fallbackOf } from '../options/client-flags.ts'
import { headerOf, serviceUrlOf } from '../options/request-parts.ts'
import { UsageError, type Arguments, type Values } from '../options/option.ts'
import type { BenchFlags } from './flags.ts'

type BenchOptions = Values<BenchFlags>

/** @throws UsageError for options that do not go together, and a file that cannot be read */
export function settingsOf({ options, operands, line }: Arguments<BenchOptions>): BenchSettings {
  const url = serviceUrlOf(operands[0] ?? '')
  const fallback = fallbackOf(url.hostname, options.fallback)
  const ca = caOf(options)
  const ways = waysOf(options, fallback)
  const control = options.control === 'none' ? undefined : (options.control ?? ways[0])
  if (control !== undefined && !ways.includes(control))
    throw new UsageError(
      `--control: got "${control}", which is not an arm of this run; allowed: ${ways.join(', ')}, none`,
    )
  checkAssertions(options, ways, control)
  checkCalls(options)
  return {
    url,
    fallback,
    ways,
    optional: new Set(options.arms.length > 0 ? [] : optionalWays(fallback)),
    control,
    baseline: baselineOf(options, ways),
    request: {
      method: options.method,
      // In undici's form: names and values in turn.
      headers: options.header.flatMap(headerOf),
      ...(options.body === undefined ? {} : { body: options.body }),
    },
    client: {
      ...discoveryOptions(url.hostname, { ...options, discovery: 'auto' }),
      ...callOptions(url.hostname, options),
      hedge: options.hedge,
      ...(options.zone === undefined ? {} : { zone: { own: options.zone } }),
    },
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(options.insecure ? { rejectUnauthorized: false } : {}),
    },
    allowH2: options.h2,
    arrivals: options.arrivals,
    perSecond: options.rate,
    durationMs: options.duration,
    warmUpMs: options['warm-up'],
    maxInFlight: options['max-in-flight'],
    timeoutMs: options.timeout,
    seed: options.seed,
    setUpTries: options['set-up'],
    volume: {
      callsPerSecond: options['calls-per-second'] ?? options.rate,
      callers: options.callers,
      albRules: options['alb-rules'],
      cloudMapCallsPerMinute: options['cloud-map-calls'],
      bytesPerCall: options['bytes-per-call'],
      remoteShare: options['remote-share'],
      connectionsPerCall: options['connections-per-call'],
    },
    prices: {
      albHour: options['price-alb'],
      lcuHour: options['price-lcu'],
      nlbHour: options['price-nlb'],
      nlcuHour: options['price-nlcu'],
      cloudMapMillion: options['price-cloud-map'],
      crossZoneGb: options['price-cross-zone'],
    },
    zone: options.zone,
    title: options.title,
    notices: options.notice,
    command: line,
  }
}

function waysOf({ arms }: BenchOptions, fallback: URL | undefined): readonly Way[] {
  if (arms.includes('fallback') && fallback === undefined)
    throw new UsageError('--arms: fallback needs the URL of the load balancer; give --fallback')
  if (new Set(arms).size < arms.length) throw new UsageError('--arms: an arm is given twice')
  return arms.length > 0 ? arms : WAYS.filter((way) => way !== 'fallback' || fallback !== undefined)
}

/** Before the run: an arm that does not take part would be noticed after minutes. */
function checkAssertions({ assert }: BenchOptions, ways: readonly Way[], control: Way | undefined): void {
  const known = [
    ...ways,
    ...(ways.some(isDirect) ? ['direct'] : []),
    ...(control === undefined ? [] : ['control']),
  ]
  for (const { text, arms } of assert)
    for (const arm of arms)
      if (!known.includes(arm))
        throw new UsageError(
          `--assert: "${text}" asks for ${arm}, which is not an arm of this run; allowed: ${known.join(', ')}`,
        )
}

/** Each call is kept, with its times: about 100 bytes, and seconds of statistics for each million. */
const MAX_CALLS = 5_000_000

function checkCalls(options: BenchOptions): void {
  const calls = (options.rate * (options.duration + options['warm-up'])) / 1_000
  if (calls > MAX_CALLS)
    throw new UsageError(
      `--rate and --duration: together ${calls.toLocaleString('en')} calls; allowed: at most ${MAX_CALLS.toLocaleString('en')}`,
    )
}

/** The API takes permissions. Without a load balancer, undici needs a name that the system knows. */
function optionalWays(fallback: URL | undefined): readonly Way[] {
  return fallback === undefined ? ['api', 'undici'] : ['api']
}

function baselineOf({ baseline }: BenchOptions, ways: readonly Way[]): Way {
  if (baseline !== undefined && !ways.includes(baseline))
    throw new UsageError(
      `--baseline: got "${baseline}", which is not an arm of this run; allowed: ${ways.join(', ')}`,
    )
  return (
    baseline ?? (['fallback', 'undici'] as const).find((way) => ways.includes(way)) ?? ways[0] ?? 'undici'
  )
}
