import { WAYS } from '../bench/arms/arm.ts'
import { parseAssertion } from '../bench/assertions/parse.ts'
import type { BenchSettings } from '../bench/settings.ts'
import { armsFlag, armsOf } from './bench/arms.ts'
import { costFlags, pricesOf, volumeOf } from './bench/cost-flags.ts'
import { duration } from './bench/duration.ts'
import { define, type Command } from './command.ts'
import { callFlags, caOf, clientOptions, discoveryFlags, fallbackOf, json } from './options/client-flags.ts'
import {
  flag,
  list,
  number,
  oneOf,
  text,
  UsageError,
  valued,
  type Arguments,
  type OptionsFor,
} from './options/option.ts'
import {
  headerOf,
  methodOf,
  serviceUrlOf,
  withoutHeaderValue,
  withoutQuery,
} from './options/request-parts.ts'

/** Each call is kept, with its times: about 100 bytes, and seconds of statistics for each million. */
const MAX_CALLS = 5_000_000

const { discovery: _, ...discovery } = discoveryFlags

const flags = {
  arms: armsFlag,
  control: oneOf([...WAYS, 'none'], 'ARM', 'the arm that has a second copy; none: no copy [the first arm]'),
  baseline: oneOf(WAYS, 'ARM', 'what the others are compared with [fallback, else undici]'),
  rate: number('CALLS', 'calls a second, over all arms [200]', { default: 200, min: 1, max: 20_000 }),
  duration: duration('how long to measure [5m]', { default: 300_000, min: 1_000, max: 86_400_000 }),
  'warm-up': duration('load before that, which does not count [5s]', {
    default: 5_000,
    min: 0,
    max: 3_600_000,
  }),
  arrivals: oneOf(
    ['poisson', 'constant'],
    'HOW',
    'poisson: as from many users; constant: evenly spaced [poisson]',
    { default: 'poisson' },
  ),
  seed: number('N', 'of arrivals and statistics [1]', { default: 1, min: 0, max: 2 ** 32 - 1 }),
  'max-in-flight': number('CALLS', 'calls beyond it are not sent, and counted [1000]', {
    default: 1_000,
    min: 1,
    max: 100_000,
  }),
  timeout: number('MS', 'of one call [10000]', { default: 10_000, min: 1, max: 600_000 }),
  'set-up': number('TRIES', 'new connections of each arm to measure [10]', {
    default: 10,
    min: 0,
    max: 1_000,
  }),
  hedge: flag('second attempts beside slow ones, on the direct arms'),
  zone: text('ZONE', "the caller's zone [the task metadata's]"),
  method: valued('METHOD', '[GET]', methodOf, { default: 'GET' }),
  header: list('NAME:VALUE', 'a request header; its value is not in the report', {
    shown: withoutHeaderValue,
  }),
  body: text('TEXT', 'the request body [none]', { shown: () => '…' }),
  insecure: flag('do not verify certificates'),
  h2: flag('HTTP/2 where the other side offers it'),
  ...callFlags,
  ...discovery,
  json,
  html: text('FILE', 'writes the report as one HTML file'),
  title: text('TEXT', 'of the report'),
  notice: list('TEXT', 'what readers of the report have to know first'),
  assert: {
    ...list('TEXT', "e.g. 'p99(direct) <= 1.05 * p99(fallback)'; exit code 1 if it does not hold"),
    read: (texts: readonly string[]) => texts.map(parseAssertion),
  },
  ...costFlags,
}

type BenchValues = typeof flags extends OptionsFor<infer Values> ? Values : never

const bench: Command = define({
  operands: { name: 'URL', min: 1, max: 1, shown: withoutQuery },
  description: [
    'Calls the service directly and through its load balancer, in random order and on a schedule, and reports the difference',
    'in ms with intervals, and in dollars. A second copy of one arm shows whether the method works here. docs/bench.md',
    'describes the method. Run it where the caller runs: on a task with at least 1 vCPU.',
  ].join('\n'),
  options: flags,
  examples: [
    {
      line: 'onehop bench http://orders.shop.local:8080/health --fallback http://internal-orders.eu-west-1.elb.amazonaws.com --html report.html',
      does: 'direct against an ALB for five minutes, with a page to keep',
    },
    {
      line: "onehop bench http://orders.shop.local/ --fallback https://orders.example.com --assert 'p99(direct) <= 1.05 * p99(fallback)'",
      does: 'exit code 1 if the direct path is slower by more than 5 %',
    },
    {
      line: 'onehop bench http://orders.shop.local/ --fallback http://alb.example.com --calls-per-second 5000 --callers 40',
      does: 'the cost for your own volume',
    },
  ],
  async run(args, io) {
    const settings = settingsOf(args)
    // The help loads neither the library nor undici.
    const { measure } = await import('./bench/measure.ts')
    return measure(settings, args.options, io)
  },
})

export default bench

/** @throws UsageError for options that do not go together, and a file that cannot be read */
function settingsOf({ options, operands, line }: Arguments<BenchValues>): BenchSettings {
  const url = serviceUrlOf(operands[0] ?? '')
  const fallback = fallbackOf(url.hostname, options.fallback)
  const ca = caOf(options)
  const { rate, duration: durationMs, zone, body } = options
  const arms = armsOf(options, fallback !== undefined)
  const calls = (rate * (durationMs + options['warm-up'])) / 1_000
  if (calls > MAX_CALLS)
    throw new UsageError(
      `--rate and --duration: together ${calls.toLocaleString('en')} calls; allowed: at most ${MAX_CALLS.toLocaleString('en')}`,
    )
  return {
    ...arms,
    url,
    fallback,
    request: {
      method: options.method,
      // In undici's form: names and values in turn.
      headers: options.header.flatMap(headerOf),
      ...(body !== undefined && { body }),
    },
    client: {
      ...clientOptions(url.hostname, { ...options, discovery: 'auto' }),
      hedge: options.hedge,
      ...(zone !== undefined && { zone: { own: zone } }),
    },
    tls: { ...(ca !== undefined && { ca }), ...(options.insecure && { rejectUnauthorized: false }) },
    allowH2: options.h2,
    arrivals: options.arrivals,
    perSecond: rate,
    durationMs,
    warmUpMs: options['warm-up'],
    maxInFlight: options['max-in-flight'],
    timeoutMs: options.timeout,
    seed: options.seed,
    setUpTries: options['set-up'],
    volume: volumeOf(options, rate),
    prices: pricesOf(options),
    zone,
    title: options.title,
    notices: options.notice,
    command: line,
  }
}
