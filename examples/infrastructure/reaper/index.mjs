/** The Lambda's handler: deregisters what a task has left that could not do so itself. */
import { reaper } from 'onehop/ecs/reaper'

export const handler = reaper({ services: (process.env['SERVICES'] ?? '').split(',') })
