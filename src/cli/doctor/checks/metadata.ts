import { fine, unchecked, warning, type ProcessCheck } from '../check.ts'

/** The task metadata, and the zone in it. */
export const metadata: ProcessCheck = {
  title: 'task metadata',
  async run({ task: findTask }) {
    const found = await findTask()
    switch (found.state) {
      case 'not-on-ecs':
        return unchecked('not in an ECS task: the zone of this process is unknown')
      case 'failed':
        return warning('metadata-fails', {
          what: `the task metadata endpoint does not answer: ${found.error.message}`,
          cause:
            "The agent of the platform is not ready, or something answers in its place. The caller's zone is unknown then.",
          remedy: 'Try again in a minute. If it stays so, set zone.own, so that calls stay in their zone.',
        })
      case 'known': {
        const { id, zone, metadataVersion, service = 'no service' } = found.task
        if (zone !== undefined) return fine(`task ${id} of ${service}, in ${zone}`)
        return warning('zone-unknown', {
          what: `the task metadata (version ${metadataVersion}) reports no AvailabilityZone`,
          cause:
            metadataVersion === 3
              ? 'The platform version is older than 1.4, and has metadata of version 3 only.'
              : 'The launch type or its agent does not report it.',
          remedy:
            'Use platform version 1.4 or later, or set zone.own: calls go to all zones alike until then.',
        })
      }
    }
  },
}
