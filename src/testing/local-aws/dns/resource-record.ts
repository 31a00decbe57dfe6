/** A resource record. `name` is canonical, except that of the question's own records: they keep its case. */
export type ResourceRecord = { readonly name: string; readonly ttlSeconds: number } & (
  | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS'; readonly data: string }
  | { readonly type: 'SRV'; readonly port: number; readonly target: string }
  | { readonly type: 'SOA' }
)

/** What the server answers to a question. */
export interface Lookup {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'REFUSED'
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
}
