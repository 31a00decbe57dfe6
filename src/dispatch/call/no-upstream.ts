import type { Upstream } from '../../cluster/upstream.ts'
import { NoEndpointsError, OverloadedError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import type { Route } from '../route.ts'

/** Why there is nobody to send an attempt to. */
export function noUpstream(route: Route, tried: readonly Upstream[]): Error {
  const { cluster, host, maxPending } = route
  // What was sent already was not refused at once.
  if (cluster.isFull && tried.length === 0) {
    const told = `all endpoints that can take calls have as many as maxPending.perTask allows (${maxPending.perTask})`
    return new OverloadedError(
      host,
      `${told}; ${cluster.fallback === undefined ? 'no fallback configured' : 'the fallback was tried'}`,
    )
  }
  // Nothing is known of the service at all: what discovery said tells more than "0 of 0".
  if (cluster.tasks.length === 0 && cluster.discoveryError !== undefined) return cluster.discoveryError
  return new NoEndpointsError(host, cluster.describe(tried), cluster.discoveryError)
}

/** Tells that an attempt goes to the load balancer, and why to none of the tasks. */
export function tellFallback(
  route: Route,
  method: string,
  upstream: Upstream,
  tried: readonly Upstream[],
): void {
  const { cluster, host } = route
  emit('onehop:call.fell-back', () => ({
    host,
    method,
    upstream: upstream.label,
    reason:
      (cluster.tasks.length === 0 ? cluster.discoveryError?.message : undefined) ?? cluster.describe(tried),
  }))
}
