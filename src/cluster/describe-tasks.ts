import type { Cluster } from './cluster.ts'
import type { Upstream } from './upstream.ts'

/** Why nothing could be picked, in words: what {@link describeTasks} says, and whether there is a fallback. */
export function describeShortage(cluster: Cluster, tried: readonly Upstream[]): string {
  const { fallback } = cluster
  return `${describeTasks(cluster, tried)}; ${fallback === undefined ? 'no fallback configured' : `fallback ${fallback.label}`}`
}

/** How many tasks are left for a call: `0 of 6 endpoints can take the call (4 ejected, 2 tried)`. */
export function describeTasks({ tasks, view }: Cluster, tried: readonly Upstream[]): string {
  if (tasks.length === 0) return describeNone(view.snapshot)
  const available = tasks.filter(({ ejection }) => ejection.state === 'available')
  const able = available.filter((upstream) => !tried.includes(upstream)).length
  const ejected = tasks.length - available.length
  return `${able} of ${tasks.length} endpoints can take the call (${ejected} ejected, ${tried.length} tried)`
}

/** DNS answers alike for a name that does not exist and a service without healthy tasks. The others know the service. */
function describeNone(snapshot: Cluster['view']['snapshot']): string {
  const { source = 'discovery', warning } = snapshot ?? {}
  const isKnown = source === 'cloud-map' || source === 'static'
  const what = isKnown ? 'the service has no tasks' : 'no such service was found, or it has no tasks'
  return `${what} (${source} names none${warning === undefined ? '' : `, ${warning}`})`
}
