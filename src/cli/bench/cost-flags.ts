/** The options of `onehop bench` about the user's volume and the prices, and what the model of the cost makes of them. */
import { CLOUD_MAP_CALLS_PER_MINUTE, type Volume } from '../../bench/cost/cost.ts'
import { DEFAULT_PRICES, PRICES_AS_OF, type Prices } from '../../bench/cost/prices.ts'
import { number, type Option, type OptionsFor } from '../options/option.ts'

type Measured = 'calls-per-second' | 'bytes-per-call' | 'remote-share' | 'connections-per-call'
type Given = 'callers' | 'alb-rules' | 'cloud-map-calls'
type Price = 'alb' | 'lcu' | 'nlb' | 'nlcu' | 'cloud-map' | 'cross-zone'

/** undefined: as measured. */
export type CostValues = Readonly<
  Record<Measured, number | undefined> & Record<Given | `price-${Price}`, number>
>

export const costFlags: OptionsFor<CostValues> = {
  'calls-per-second': amount('CALLS', 'your calls a second, for the cost [the rate]', 1e9),
  callers: number('N', 'your processes that call the service [10]', { default: 10, min: 1, max: 1e6 }),
  'alb-rules': number('N', "rules of the ALB's listener [1]", { default: 1, min: 0, max: 1_000 }),
  'cloud-map-calls': number(
    'N',
    `requests to Cloud Map a minute and process [${CLOUD_MAP_CALLS_PER_MINUTE}]`,
    { default: CLOUD_MAP_CALLS_PER_MINUTE, min: 0, max: 1e6, integer: false },
  ),
  'bytes-per-call': amount('BYTES', 'on the wire, both ways [as measured]', 1e12),
  'remote-share': amount('SHARE', 'direct calls to other zones, 0 to 1 [as measured]', 1),
  'connections-per-call': amount('N', 'new connections to the balancer [as measured]', 1_000),
  'price-alb': price('albHour', 'an hour of an ALB'),
  'price-lcu': price('lcuHour', 'an hour of an LCU'),
  'price-nlb': price('nlbHour', 'an hour of an NLB'),
  'price-nlcu': price('nlcuHour', 'an hour of an NLCU'),
  'price-cloud-map': price('cloudMapMillion', 'a million requests to Cloud Map'),
  'price-cross-zone': price('crossZoneGb', 'a GB between zones, each way'),
}

export function volumeOf(values: CostValues, rate: number): Volume {
  return {
    callsPerSecond: values['calls-per-second'] ?? rate,
    callers: values.callers,
    albRules: values['alb-rules'],
    cloudMapCallsPerMinute: values['cloud-map-calls'],
    bytesPerCall: values['bytes-per-call'],
    remoteShare: values['remote-share'],
    connectionsPerCall: values['connections-per-call'],
  }
}

export function pricesOf(values: CostValues): Prices {
  return {
    albHour: values['price-alb'],
    lcuHour: values['price-lcu'],
    nlbHour: values['price-nlb'],
    nlcuHour: values['price-nlcu'],
    cloudMapMillion: values['price-cloud-map'],
    crossZoneGb: values['price-cross-zone'],
  }
}

function amount(value: string, description: string, max: number): Option<number | undefined> {
  return number(value, description, { min: 0, max, integer: false })
}

function price(name: keyof Prices, description: string): Option<number> {
  const dollars = DEFAULT_PRICES[name]
  const about = `${description} [${dollars}, as of ${PRICES_AS_OF}]`
  return number('DOLLARS', about, { default: dollars, min: 0, max: 1e6, integer: false })
}
