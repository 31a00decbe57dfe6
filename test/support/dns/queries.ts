/** Queries as tests ask them: on real sockets, while time stands still. */
import type { DnsAnswer, DnsType } from '../../../src/discovery/dns/wire/message.ts'
import { StubResolver, type StubOptions } from '../../../src/discovery/dns/stub.ts'
import { manualClock, type ManualClock } from '../../../src/testing/fakes/manual-clock.ts'
import { until } from '../until.ts'
import type { UdpServer } from './servers.ts'

export const NAME = 'orders.shop.local'

type QueryOptions = StubOptions & { readonly signal: AbortSignal }

/** Time stands still unless there is a clock in `more`: no server is left because this machine is slow. */
export function optionsFor(servers: readonly UdpServer[], more: Partial<QueryOptions> = {}): QueryOptions {
  return {
    servers: servers.map(({ port }) => ({ address: '127.0.0.1', port })),
    timeoutMs: 1000,
    tries: 2,
    clock: manualClock(),
    signal: new AbortController().signal,
    ...more,
  }
}

/** By a resolver that knows nothing yet of its servers. */
export function query(name: string, type: DnsType, { signal, ...options }: QueryOptions): Promise<DnsAnswer> {
  return new StubResolver(options).query(name, type, signal)
}

/** Real packets need real turns of the loop, while time stands still: it advances only once `reached`. */
export async function timeOut(clock: ManualClock, reached: () => boolean): Promise<void> {
  await until(() => reached() && clock.pendingTimers > 0)
  await clock.advance(1000)
}
