import { fine, unchecked, warning, type HostCheck } from '../check.ts'

/** List price of traffic between zones, for each direction. */
const CROSS_ZONE = '$0.01 per GB and direction'

/** Where the tasks are, seen from this one, and what that costs. */
export const zones: HostCheck = {
  title: 'zones',
  async run({ look, task: findTask }) {
    const { rows, api } = await look()
    if (rows.length === 0) return unchecked('no endpoints')
    const withZone = rows.filter(({ zone }) => zone !== undefined)
    if (withZone.length === 0) {
      if (api.state !== 'answered')
        return unchecked("unknown: DNS does not report them; tasks of this task's subnet count as near")
      return warning('task-zones-unknown', {
        what: 'no instance has the attribute AVAILABILITY_ZONE',
        cause: 'ECS sets it; these instances were registered by something else.',
        remedy: 'Register them with AVAILABILITY_ZONE (and REGION), so that calls stay in their zone.',
      })
    }
    const counts = Map.groupBy(withZone, ({ zone }) => zone ?? '')
    const list = [...counts]
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(([zone, there]) => `${there.length} in ${zone}`)
      .join(', ')
    const found = await findTask()
    const own = found.state === 'known' ? found.task.zone : undefined
    if (own === undefined) return unchecked(`${list}; the zone of this process is unknown`)
    const near = counts.get(own)?.length ?? 0
    if (near === 0)
      return warning('no-task-in-zone', {
        what: `no task is in the zone of this one, ${own}: ${list}`,
        cause: 'The services run in different subnets, or with fewer tasks than zones.',
        remedy: `Run at least one task of the service in ${own}. Until then each call crosses zones: ${CROSS_ZONE}, and about 1 ms.`,
      })
    const share = Math.round((100 * near) / withZone.length)
    return fine(
      `${list}; ${share} % of the tasks are in ${own}, with this one. Calls to others cost ${CROSS_ZONE}`,
    )
  },
}
