import type { Optional } from '../../core/check/check.ts'
import { withRetries } from '../retries.ts'
import { MetadataUnavailableError } from './errors.ts'
import { fetchMetadata } from './fetch-metadata.ts'
import { readOptions, type SelfOptions } from './options.ts'
import { readTask, type Task } from './task.ts'

/** Waits 100, 200, 400, 800, 1,000, 1,000 ... ms between tries: the agent is up within seconds, or not at all. */
const FIRST_WAIT_MS = 100
const MAX_WAIT_MS = 1_000

/**
 * Who and where this task is, from the task metadata endpoint (version 4, or 3 where there is no 4).
 *
 * Early in a task's life the endpoint may refuse connections, or know no address yet: then it is asked again. A
 * task counts as known when its container has an address; its status says RUNNING only later.
 *
 * @throws NotOnEcsError at once, where there is no such endpoint
 * @throws MetadataUnavailableError when all tries failed
 * @throws MetadataInvalidError at once, when the answer is not metadata
 * @throws InvalidOptionsError for options, or variables, that are not allowed
 */
export async function self(options: Optional<SelfOptions> = {}): Promise<Task> {
  const settings = readOptions(options)
  const { uri, version, port, attempts, signal, clock } = settings
  return withRetries(
    {
      ...{ clock, signal },
      // Asking again mends nothing else.
      mayRetry: (error, attempt) => error instanceof MetadataUnavailableError && attempt < attempts,
      waitMs: (attempt) => Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)),
    },
    async () => {
      const [container, task] = await fetchMetadata(settings)
      const found = readTask(container, task, version, port)
      if (found === undefined) throw new MetadataUnavailableError(uri, 'the container has no address yet')
      return found
    },
  )
}
