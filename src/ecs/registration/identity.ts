/** Where this process runs, and under which ids its instances are registered. */
import { MetadataInvalidError, NotOnEcsError } from '../metadata/errors.ts'
import { self } from '../metadata/self.ts'
import { INSTANCE_ID } from './cloud-map/limits.ts'
import { RegistrationError, type RegistrationFailure } from './errors.ts'
import { isLoopback, type ListeningAt } from './options/listener.ts'
import type { RegisterSettings, ServiceSettings } from './options/options.ts'
import { placeOfTask, type KnownPlace } from './options/place.ts'

/** Where and as what an instance is registered. */
export interface Identity {
  readonly id: string
  readonly place: KnownPlace
  readonly port: number
}

/** @throws RegistrationError, or the signal's reason */
export async function ownPlace(
  { env, clock, services: [first] }: RegisterSettings,
  signal: AbortSignal,
): Promise<KnownPlace> {
  // Ports are read from the options, or from PORT where they need it.
  const { PORT: _, ...others } = env
  try {
    return placeOfTask(await self({ env: others, clock, signal }))
  } catch (cause) {
    signal.throwIfAborted()
    const fail = (failure: RegistrationFailure, reason: string): RegistrationError =>
      new RegistrationError(first.service, failure, reason, { cause })
    if (cause instanceof NotOnEcsError)
      throw fail('invalid', 'this process does not run in an ECS task: set the option place')
    throw fail(
      cause instanceof MetadataInvalidError ? 'invalid' : 'outage',
      `the task metadata does not say where this process runs (${(cause as Error).message})`,
    )
  }
}

/**
 * The task's id for the first instance in a service, `<id>-<port>` for further ones; without an id `<address>-<port>`.
 * @param listening by service
 * @throws RegistrationError `invalid`
 */
export function identitiesOf(
  services: readonly ServiceSettings[],
  place: KnownPlace,
  listening: readonly ListeningAt[],
): readonly Identity[] {
  const taken = new Set<string>()
  return services.map(({ service, id: written }, index) => {
    const { port, boundTo } = listening[index] as ListeningAt
    const address = place.ipv4 ?? place.ipv6 ?? ''
    if (boundTo !== undefined && isLoopback(boundTo) && !isLoopback(address))
      throw new RegistrationError(
        service,
        'invalid',
        `the server listens on ${boundTo} only, and ${address} would be registered; listen without a host`,
      )
    const first = place.id ?? `${address}-${port}`
    const id = written ?? (taken.has(`${service} ${first}`) ? `${first}-${port}` : first)
    if (!INSTANCE_ID.test(id))
      throw new RegistrationError(service, 'invalid', `"${id}" is not an InstanceId; set the option id`)
    taken.add(`${service} ${id}`)
    return { id, place, port }
  })
}
