/** Why an attempt went where it went, from what the client reports at that moment. */
import {
  onEvent,
  type AttemptTrace,
  type Client,
  type EventPayloads,
  type UpstreamInspection,
} from '../../index.ts'
import { inCommandWords } from '../terminal/command-words.ts'
import { counted } from '../terminal/counted.ts'

const REASONS = ['onehop:call.fell-back', 'onehop:call.retried', 'onehop:call.hedged'] as const

/** Explains picks of one client until `stop()`. */
export class Picks {
  readonly #client: Client
  readonly #stops: (() => void)[]
  /** Events since the last attempt began. */
  #events: Partial<EventPayloads> = {}

  constructor(client: Client) {
    this.#client = client
    this.#stops = REASONS.map((name) =>
      onEvent(name, (event) => {
        this.#events = { ...this.#events, [name]: event }
      }),
    )
  }

  /** Call it as the attempt starts. */
  explain(trace: AttemptTrace): string {
    const parts = [this.#cause(trace), this.#choice(trace)].filter((part) => part !== undefined)
    this.#events = {}
    return parts.join('; ')
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }

  /** Of an attempt that is not the first. */
  #cause({ hedged }: AttemptTrace): string | undefined {
    const retried = this.#events['onehop:call.retried']
    const hedge = this.#events['onehop:call.hedged']
    if (hedged && hedge !== undefined)
      return `a hedge: ${hedge.beside} had not answered after ${hedge.afterMs.toFixed(1)} ms`
    if (retried === undefined) return undefined
    const waited = retried.waitMs > 0 ? ` after ${Math.round(retried.waitMs)} ms` : ''
    return `a retry${waited}: attempt ${retried.attempt} failed on ${retried.upstream}`
  }

  #choice({ tier, upstream, host, call }: AttemptTrace): string {
    if (tier === 1)
      return `the load balancer: ${inCommandWords(this.#events['onehop:call.fell-back']?.reason ?? 'its share of the calls')}`
    const origins = this.#client.inspect().services[host]?.origins ?? {}
    const { upstreams = [] } = origins[call?.origin ?? ''] ?? Object.values(origins)[0] ?? {}
    const tasks = upstreams.filter((one) => one.tier === 0)
    const picked = tasks.find((task) => task.upstream === upstream)
    if (picked?.state === 'probing') return 'a probe of a task that was ejected'
    // The event comes once: later calls of the same panic have none.
    if (tasks.every(({ state }) => state !== 'available'))
      return `none of ${tasks.length} tasks is available, so all are tried${history(picked)}`
    return oneOf(tasks, picked)
  }
}

function oneOf(tasks: readonly UpstreamInspection[], picked: UpstreamInspection | undefined): string {
  const available = tasks.filter(({ state }) => state === 'available')
  const count =
    available.length === 1 ? 'the only available task' : `one of ${available.length} available tasks`
  const ejected = tasks.length > available.length ? ` (${tasks.length} in all)` : ''
  const local = available.filter(({ isLocal }) => isLocal === true).length
  const zone =
    picked?.isLocal === undefined
      ? ''
      : picked.isLocal
        ? `, one of ${local} in this zone`
        : ', in another zone'
  return count + ejected + zone + history(picked)
}

/** The first calls of a task, whose connections and caches are cold, need not count as its latency. */
function history(picked: UpstreamInspection | undefined): string {
  if (picked === undefined) return ''
  if (picked.latencyMs !== undefined) return `, expected to take ${picked.latencyMs.toFixed(1)} ms`
  return picked.requests === 0 ? ', not called before' : `, called ${counted(picked.requests, 'time')} before`
}
