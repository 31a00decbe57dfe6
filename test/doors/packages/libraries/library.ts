import type { Client } from '../../../../src/index.ts'
import type { Api, Door, Library, Seen, Sent, SentBody } from '../../recipes/library.ts'

/** A library by what it differs in. */
export interface LibraryOf<Instance> {
  readonly door: Door
  readonly bodies?: readonly SentBody['kind'][]
  readonly queriesByPost?: boolean
  ours(client: Client, origin: string): Instance | Promise<Instance>
  plain(origin: string): Instance | Promise<Instance>
  send(instance: Instance, sent: Sent): Promise<Seen>
  close?(instance: Instance): Promise<void> | void
}

/** Makes a library of what it differs in. */
export function library<Instance>(name: string, its: LibraryOf<Instance>): Library {
  const apiOf = async (instance: Instance | Promise<Instance>): Promise<Api> => {
    const made = await instance
    return { send: (sent) => its.send(made, sent), close: async () => its.close?.(made) }
  }
  return {
    name,
    door: its.door,
    bodies: its.bodies ?? [],
    queriesByPost: its.queriesByPost ?? false,
    ours: (client, origin) => apiOf(its.ours(client, origin)),
    plain: (origin) => apiOf(its.plain(origin)),
  }
}
