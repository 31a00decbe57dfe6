import type { Client, ClientOptions } from 'onehop'
import type { ScriptedResolver } from 'onehop/testing'
import { clientOf } from '../support/clients.ts'

/** Tasks are processes: on a busy machine they are late with their part of a handshake. */
const CONNECT_MS = 40_000

/** As `clientOf`, with more time for connections. */
export function patientClientOf(
  answer: Parameters<typeof clientOf>[0],
  options: ClientOptions = {},
): Client & { resolver: ScriptedResolver } {
  return clientOf(answer, { ...options, timeouts: { connectMs: CONNECT_MS, ...options.timeouts } })
}
