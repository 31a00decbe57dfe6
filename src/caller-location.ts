import type { TaskLocation } from './cluster/locality/locality.ts'
import { checkCidr } from './core/cidr.ts'
import { unawaited, type Clock, type Timer } from './core/clock.ts'
import { emit } from './core/events.ts'
import type { CallerLocation } from './dispatch/route-factory.ts'
import { NotOnEcsError } from './ecs/metadata/errors.ts'

/** After `self()` has tried for some ten seconds. */
const AGAIN_AFTER_MS = 60_000

/**
 * The location of the caller, from the task metadata: looked up once, in the background, when a call needs it. It keeps
 * no process alive. Off ECS it stays unknown, in silence.
 */
export class MetadataLocation implements CallerLocation {
  location: TaskLocation | undefined
  readonly #clock: Clock
  readonly #closed = new AbortController()
  #begun = false
  #again: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Begins to ask the metadata, unless that has been done. */
  find(): void {
    if (this.#begun) return
    this.#begun = true
    void this.#ask()
  }

  close(): void {
    this.#again?.cancel()
    this.#closed.abort()
  }

  async #ask(): Promise<void> {
    try {
      // What it listens on does not matter here, and a PORT that is none must not cost the zone.
      const { PORT: _, ...env } = process.env
      // Off ECS, and where no call needs a zone, its dependencies cost nothing.
      const { self } = await import('./ecs/metadata/self.ts')
      const { zone, ipv4, ipv6, ipv4Cidr, ipv6Cidr, id } = await self({
        env,
        clock: unawaited(this.#clock),
        signal: this.#closed.signal,
      })
      this.location = {
        zone,
        subnets: [ipv4Cidr, ipv6Cidr]
          .filter((cidr) => cidr !== undefined)
          .map((cidr) => checkCidr('subnet', cidr)),
        instanceId: id,
        addresses: [ipv4, ipv6].filter((address) => address !== undefined),
      }
    } catch (error) {
      if (error instanceof NotOnEcsError || this.#closed.signal.aborted) return
      emit('onehop:location.unknown', () => ({ error: error as Error }))
      this.#again = this.#clock.setTimer(() => void this.#ask(), AGAIN_AFTER_MS)
    }
  }
}
