/**
 * The client: `createClient`, its options, resolvers, balancers, errors, events and tracing channels.
 * @module onehop
 */
import './core/before-undici.ts'
import { keepGlobalDispatcher } from './core/global-dispatcher.ts'
export { createClient, type Client } from './client.ts'
export type {
  ClientOptions,
  FallbackOptions,
  HedgeInput,
  RetryInput,
  ServiceOptions,
  Timeouts,
  ZoneOptions,
} from './config/options.ts'
export type {
  HedgingInspection,
  Inspection,
  CostInspection,
  NegativeInspection,
  OriginInspection,
  ServiceInspection,
  UpstreamInspection,
  ZonesInspection,
} from './inspection.ts'

export { DiscoveryDispatcher, type Routes } from './dispatch/dispatcher.ts'
export type { RetryOptions, RetryRequest } from './dispatch/retry/policy.ts'
export type { CallOptions } from './dispatch/request/call-options.ts'
export type { HedgeBudgetOptions, HedgeOptions } from './dispatch/hedge/hedge-policy.ts'
export type { RetryBudgetOptions } from './dispatch/retry/budget.ts'
export type { Classify } from './dispatch/classify-response.ts'
export type { Interceptor } from './dispatch/intercepted-dispatcher.ts'
export type { AcquireOptions } from './dispatch/lease/acquire.ts'
export type { Lease } from './dispatch/lease/lease.ts'
export { responseOutcomeOf } from './dispatch/response-outcome.ts'
export type { MaxPending } from './dispatch/route.ts'

export type { LookupReason, Resolver } from './discovery/resolver.ts'
export type { Usage } from './discovery/usage.ts'
export type { ServiceName } from './discovery/service-name.ts'
export { taskEndpoint, type Endpoint, type Snapshot } from './discovery/endpoint.ts'
export type { SnapshotListener } from './discovery/view/watch.ts'
export { cloudMapResolver, type CloudMapResolver } from './discovery/cloud-map/resolver.ts'
export type { AwsCredentials, CloudMapOptions } from './discovery/cloud-map/options.ts'
export type { DnsOptions } from './discovery/dns/options.ts'
export { dnsResolver } from './discovery/dns/resolver.ts'
export { staticResolver } from './discovery/static.ts'

export type { Balancer, KeyedRequest, PickHint } from './balancer/balancer.ts'
export type { Candidate } from './balancer/candidate.ts'
export type { OutlierOptions } from './cluster/health/outlier.ts'
export type { SubsetOptions } from './cluster/subset.ts'
export { consistentHash, type ConsistentHashOptions } from './balancer/consistent-hash.ts'
export { leastRequest, type LeastRequestOptions } from './balancer/least-request.ts'
export { p2c } from './balancer/p2c.ts'
export { random } from './balancer/random.ts'
export { roundRobin } from './balancer/round-robin.ts'

export type { Optional } from './core/check/check.ts'
export type { Clock, Random, Timer } from './core/clock.ts'
export { deadlineOf, type Deadline, type DeadlinedRequest } from './server/deadline.ts'
export {
  tracing,
  type AttemptTrace,
  type CallTrace,
  type TraceEvent,
  type Traced,
  type TraceListeners,
} from './core/tracing.ts'
export type { Classification } from './core/classification.ts'
export type { Outcome } from './core/outcome.ts'
export type { EventPayloads, FallbackCause } from './core/event-payloads.ts'
export { eventNames, onEvent, type EventName } from './core/events.ts'
export {
  AttemptsExhaustedError,
  ClosedError,
  DeadlineExceededError,
  InvalidOptionsError,
  NoEndpointsError,
  OverloadedError,
  OnehopError,
  QueueTimeoutError,
  ResolutionFailedError,
  type AttemptRecord,
} from './core/errors.ts'

keepGlobalDispatcher()
