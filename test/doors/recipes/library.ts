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
