import type { SoaAnswer, SrvAnswer, StringAnswer } from 'dns-packet'

/** A record of this server. `name` is canonical, except that of the question's own records: they keep its case. */
export type ResourceRecord = StringAnswer | SrvAnswer | SoaAnswer

/** What the server answers to a question. */
export interface Lookup {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'REFUSED'
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
}

/** The records that belong to a name and a type. */
export type Found = Pick<Lookup, 'answers' | 'additionals'>

export const NO_RECORDS: Omit<Lookup, 'rcode'> = { answers: [], authorities: [], additionals: [] }
