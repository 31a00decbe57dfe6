/**
 * A task that can take a call, as a balancer sees it. Read-only: the cluster counts calls and learns latencies.
 */
export interface Candidate {
  /** `10.0.11.42:8080` or `[2a05::1]:8080`, as in errors, events and `inspect()`. */
  readonly label: string
  /** Share of traffic relative to the other tasks, above 0. */
  readonly weight: number
  /** Availability zone, e.g. `eu-west-1b`; undefined where discovery does not report it. */
  readonly zone: string | undefined
  /** Cloud Map's instance id: the task id for services that ECS registers; undefined where discovery reports none. */
  readonly id: string | undefined
  /** Attributes of the Cloud Map instance; undefined where discovery reports none, as DNS. */
  readonly attributes: Readonly<Record<string, string>> | undefined
  /** Attempts of this process that have begun and not ended, response bodies included. */
  readonly pending: number
  /** The expected time to response headers, in ms: peak EWMA of its latencies. @param now in ms, as in `PickHint` */
  latencyMs(now: number): number
  /** At least `latencyMs` and at least the time for which it has been silent while calls wait; never 0. */
  expectedMs(now: number): number
  /** `expectedMs` by the median, which a few slow answers hardly move; 0: too few answers. */
  medianMs(now: number): number
  /** Cost of one more call: `expectedMs` × (1 + pending ÷ weight). */
  cost(now: number): number
}
