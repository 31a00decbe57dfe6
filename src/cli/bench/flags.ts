/** The options of `onehop bench`. */
import type { Way } from '../../bench/arms/arm.ts'
import { parseAssertion, type Assertion } from '../../bench/assertions/parse.ts'
import { CLOUD_MAP_CALLS_PER_MINUTE } from '../../bench/cost/cost.ts'
import { DEFAULT_PRICES, PRICES_AS_OF, type Prices } from '../../bench/cost/prices.ts'
import type { Arrivals } from '../../bench/load/schedule.ts'
import {
  callFlags,
  discoveryFlags,
  json,
  type CallFlags,
  type DiscoveryFlags,
} from '../options/client-flags.ts'
import { flag, list, number, oneOf, text, UsageError, type Option } from '../options/option.ts'
import { methodOf, withoutHeaderValue } from '../options/request-parts.ts'
import { milliseconds } from './duration.ts'

const WAYS: readonly Way[] = ['dns', 'api', 'fallback', 'undici']

interface RunFlags {
  readonly arms: Option<readonly Way[]>
  readonly control: Option<Way | 'none' | undefined>
  readonly baseline: Option<Way | undefined>
  readonly rate: Option<number>
  readonly duration: Option<number>
  readonly 'warm-up': Option<number>
  readonly arrivals: Option<Arrivals>
  readonly seed: Option<number>
  readonly 'max-in-flight': Option<number>
  readonly timeout: Option<number>
  readonly 'set-up': Option<number>
  readonly zone: Option<string | undefined>
  readonly hedge: Option<boolean>
}

interface RequestFlags {
  readonly method: Option<string>
  readonly header: Option<readonly string[]>
  readonly body: Option<string | undefined>
  readonly insecure: Option<boolean>
  readonly h2: Option<boolean>
}

interface OutputFlags {
  readonly json: Option<boolean>
  readonly html: Option<string | undefined>
  readonly title: Option<string | undefined>
  readonly notice: Option<readonly string[]>
  readonly assert: Option<readonly Assertion[]>
}

interface CostFlags {
  readonly 'calls-per-second': Option<number | undefined>
  readonly callers: Option<number>
  readonly 'alb-rules': Option<number>
  readonly 'cloud-map-calls': Option<number>
  readonly 'bytes-per-call': Option<number | undefined>
  readonly 'remote-share': Option<number | undefined>
  readonly 'connections-per-call': Option<number | undefined>
  readonly 'price-alb': Option<number>
  readonly 'price-lcu': Option<number>
  readonly 'price-nlb': Option<number>
  readonly 'price-nlcu': Option<number>
  readonly 'price-cloud-map': Option<number>
  readonly 'price-cross-zone': Option<number>
}

type All = Omit<DiscoveryFlags, 'discovery'> & CallFlags & RunFlags & RequestFlags & OutputFlags & CostFlags

/** All of them. */
export type BenchFlags = { readonly [Name in keyof All]: All[Name] }

const run: RunFlags = {
  arms: ways('ways to compare: dns, api, fallback, undici [all that can be called]'),
  control: oneOf([...WAYS, 'none'] as const, {
    value: 'ARM',
    default: undefined,
    description: 'the arm that has a second copy; none: no copy [the first arm]',
  }),
  baseline: oneOf(WAYS, {
    value: 'ARM',
    default: undefined,
    description: 'what the others are compared with [fallback, else undici]',
  }),
  rate: number({
    value: 'CALLS',
    default: 200,
    min: 1,
    max: 20_000,
    description: 'calls a second, over all arms [200]',
  }),
  duration: time(300_000, 1_000, 86_400_000, 'how long to measure [5m]'),
  'warm-up': time(5_000, 0, 3_600_000, 'load before that, which does not count [5s]'),
  arrivals: oneOf(['poisson', 'constant'] as const, {
    value: 'HOW',
    default: 'poisson',
    description: 'poisson: as from many users; constant: evenly spaced [poisson]',
  }),
  seed: number({
    value: 'N',
    default: 1,
    min: 0,
    max: 2 ** 32 - 1,
    description: 'of arrivals and statistics [1]',
  }),
  'max-in-flight': number({
    value: 'CALLS',
    default: 1_000,
    min: 1,
    max: 100_000,
    description: 'calls beyond it are not sent, and counted [1000]',
  }),
  timeout: number({ value: 'MS', default: 10_000, min: 1, max: 600_000, description: 'of one call [10000]' }),
  'set-up': number({
    value: 'TRIES',
    default: 10,
    min: 0,
    max: 1_000,
    description: 'new connections of each arm to measure [10]',
  }),
  hedge: flag({ description: 'second attempts beside slow ones, on the direct arms' }),
  zone: text({ value: 'ZONE', default: undefined, description: "the caller's zone [the task metadata's]" }),
}

const request: RequestFlags = {
  method: text({ value: 'METHOD', default: 'GET', check: methodOf, description: '[GET]' }),
  header: list({
    value: 'NAME:VALUE',
    shown: withoutHeaderValue,
    description: 'a request header; its value is not in the report',
  }),
  body: text({ value: 'TEXT', default: undefined, shown: () => '…', description: 'the request body [none]' }),
  insecure: flag({ description: 'do not verify certificates' }),
  h2: flag({ description: 'HTTP/2 where the other side offers it' }),
}

const output: OutputFlags = {
  json,
  html: text({ value: 'FILE', default: undefined, description: 'writes the report as one HTML file' }),
  title: text({ value: 'TEXT', default: undefined, description: 'of the report' }),
  notice: list({ value: 'TEXT', description: 'what readers of the report have to know first' }),
  assert: {
    ...list({
      value: 'TEXT',
      description: "e.g. 'p99(direct) <= 1.05 * p99(fallback)'; exit code 1 if it does not hold",
    }),
    read: (texts) => texts.map(parseAssertion),
  },
}

const cost: CostFlags = {
  'calls-per-second': amount('CALLS', undefined, 'your calls a second, for the cost [the rate]', 1e9),
  callers: number({
    value: 'N',
    default: 10,
    min: 1,
    max: 1e6,
    description: 'your processes that call the service [10]',
  }),
  'alb-rules': number({
    value: 'N',
    default: 1,
    min: 0,
    max: 1_000,
    description: "rules of the ALB's listener [1]",
  }),
  'cloud-map-calls': amount(
    'N',
    CLOUD_MAP_CALLS_PER_MINUTE,
    `requests to Cloud Map a minute and process [${CLOUD_MAP_CALLS_PER_MINUTE}]`,
    1e6,
  ),
  'bytes-per-call': amount('BYTES', undefined, 'on the wire, both ways [as measured]', 1e12),
  'remote-share': amount('SHARE', undefined, 'direct calls to other zones, 0 to 1 [as measured]', 1),
  'connections-per-call': amount('N', undefined, 'new connections to the balancer [as measured]', 1_000),
  'price-alb': price('albHour', 'an hour of an ALB'),
  'price-lcu': price('lcuHour', 'an hour of an LCU'),
  'price-nlb': price('nlbHour', 'an hour of an NLB'),
  'price-nlcu': price('nlcuHour', 'an hour of an NLCU'),
  'price-cloud-map': price('cloudMapMillion', 'a million requests to Cloud Map'),
  'price-cross-zone': price('crossZoneGb', 'a GB between zones, each way'),
}

const { discovery: _, ...discovery } = discoveryFlags

export const benchFlags: BenchFlags = { ...run, ...request, ...callFlags, ...discovery, ...output, ...cost }

function ways(description: string): Option<readonly Way[]> {
  const texts = list({ value: 'ARMS', split: true, description })
  return {
    ...texts,
    read: (given) =>
      texts.read(given).map((name) => {
        const way = WAYS.find((one) => one === name)
        if (way === undefined) throw new UsageError(`${WAYS.join(', ')}, with commas between them`)
        return way
      }),
  }
}

function time(otherwise: number, min: number, max: number, description: string): Option<number> {
  const option = text({ value: 'TIME', default: undefined, description })
  return {
    ...option,
    read: (texts) => {
      const given = option.read(texts)
      return given === undefined ? otherwise : milliseconds(given, min, max)
    },
  }
}

function amount<Default extends number | undefined>(
  value: string,
  otherwise: Default,
  description: string,
  max: number,
): Option<number | Default> {
  return number({ value, default: otherwise, min: 0, max, integer: false, description })
}

function price(name: keyof Prices, description: string): Option<number> {
  const dollars = DEFAULT_PRICES[name]
  return amount('DOLLARS', dollars, `${description} [${dollars}, as of ${PRICES_AS_OF}]`, 1e6)
}
