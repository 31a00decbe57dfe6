import type { Client } from 'onehop'

/** What a library sends to `/v1/orders`. A query is a GET, an order a POST, whatever the library makes of it. */
export interface Sent {
  readonly method: 'GET' | 'POST'
  readonly signal?: AbortSignal | undefined
  /** Of a POST; undefined: JSON. */
  readonly body?: SentBody | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** `json`: an object that the library serialises. */
export type SentBody =
  | { readonly kind: 'json'; readonly value: object }
  | { readonly kind: 'stream'; readonly chunks: readonly string[] }
  | { readonly kind: 'form'; readonly fields: Readonly<Record<string, string>> }

/** How requests reach the client. `agents` repeat nothing that was sent. */
export type Door = 'fetch' | 'dispatcher' | 'agents'

/** A library over the client, by its recipe, and as its users have it today. */
export interface Library {
  readonly name: string
  readonly door: Door
  /** What it can send beside JSON. */
  readonly bodies: readonly SentBody['kind'][]
  /** Whether its queries are POSTs. */
  readonly queriesByPost: boolean
  /** By its recipe in `examples/recipes/`. */
  ours(client: Client, origin: string): Promise<Api>
  /** Its defaults, over connections that are kept. */
  plain(origin: string): Promise<Api>
}

/** A library that is set up. */
export interface Api {
  /**
   * Calls a task.
   * @returns what the task saw; rejects with what the library rejects with
   */
  send(sent: Sent): Promise<Seen>
  close(): Promise<void>
}

/** What a task saw of a request; libraries that parse answers for their own protocol have `task` only. */
export interface Seen {
  readonly task: string
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly type?: string
  readonly body?: string
}

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
