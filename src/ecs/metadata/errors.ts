import { OnehopError } from '../../core/errors.ts'

/** This process does not run in an ECS task, or not with a platform that has task metadata. */
export class NotOnEcsError extends OnehopError {
  readonly code = 'ONEHOP_NOT_ON_ECS'

  constructor() {
    super(
      'ONEHOP_NOT_ON_ECS',
      'neither ECS_CONTAINER_METADATA_URI_V4 nor ECS_CONTAINER_METADATA_URI is set: this process does not run in an ' +
        'ECS task. Elsewhere, leave self() out; in tests, pass the env of startLocalAws() from onehop/testing',
    )
  }
}

/** The metadata endpoint refused, did not answer in time, or does not know the task (yet). */
export class MetadataUnavailableError extends OnehopError {
  readonly code = 'ONEHOP_METADATA_UNAVAILABLE'

  constructor(uri: string, reason: string, cause?: unknown) {
    super('ONEHOP_METADATA_UNAVAILABLE', `${uri}: ${reason}`, cause)
  }
}

/** The metadata endpoint answered with something else than metadata. */
export class MetadataInvalidError extends OnehopError {
  readonly code = 'ONEHOP_METADATA_INVALID'

  constructor(uri: string, reason: string, cause?: unknown) {
    super('ONEHOP_METADATA_INVALID', `${uri}: ${reason}`, cause)
  }
}
