import { describeShortage, describeTasks } from '../../cluster/describe-tasks.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import { NoEndpointsError, OverloadedError } from '../../core/errors.ts'
import type { FallbackCause } from '../../core/event-payloads.ts'
import { emit } from '../../core/events.ts'
import { bareReason } from '../../discovery/bare-reason.ts'
import type { Route } from '../route.ts'

/** The error of a call that exceeds `maxPending.perOrigin`. */
export function tooManyCalls({ host, maxPending }: Route): Error {
  const limit = `as many calls are under way as maxPending.perOrigin allows (${maxPending.perOrigin})`
  return new OverloadedError(host, limit)
}

/** The error of a call for which no upstream is left. */
export function noUpstream(route: Route, tried: readonly Upstream[]): Error {
  const { cluster, host, maxPending } = route
  // A call that has been sent was not refused at once.
  if (cluster.isFull && tried.length === 0) {
    const limit = `all endpoints that can take calls have as many as maxPending.perTask allows (${maxPending.perTask})`
    return new OverloadedError(
      host,
      `${limit}; ${cluster.fallback === undefined ? 'no fallback configured' : 'the fallback was tried'}`,
    )
  }
  // Discovery's own error says more than "0 of 0".
  const { error } = cluster.view
  if (cluster.tasks.length === 0 && error !== undefined) return error
  return new NoEndpointsError(host, describeShortage(cluster, tried), error)
}

/** Emits that an attempt goes to the load balancer, and why it goes to no task. */
export function emitFallback(
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
    cause: fallbackCause(route, tried),
    reason:
      (cluster.tasks.length === 0 ? cluster.view.error?.message : undefined) ??
      describeShortage(cluster, tried),
  }))
}

/** Why a call that was sent to the load balancer alone went to no task. */
export function whyNoTask({ cluster, host }: Route): string {
  const { tasks, view } = cluster
  if (tasks.length === 0 && view.error !== undefined) return bareReason(host, view.error)
  return describeTasks(cluster, [])
}

function fallbackCause({ cluster }: Route, tried: readonly Upstream[]): FallbackCause {
  if (tried.length > 0) return 'retry'
  if (cluster.tasks.length === 0) return cluster.view.error === undefined ? 'no-tasks' : 'discovery-failed'
  if (cluster.directShare <= 0) return 'tasks-ejected'
  if (cluster.isFull) return 'tasks-full'
  return cluster.directShare < 1 ? 'tasks-short' : 'probe'
}
