import { LRUCache } from 'lru-cache'
import { ClosedError } from '../core/errors.ts'
import type { ServiceName } from './service-name.ts'
import { ServiceView, type Source } from './service-view.ts'

/** Services known at a time; beyond that the least recently asked for is forgotten. */
const MOST_SERVICES = 1_000

/**
 * All services' views, at most 1,000 of them.
 *
 * Why `lru-cache` holds views and not snapshots: what may be served, and until when, depends on whether the
 * name is in use and on what the last lookups said (docs/decisions/002), which its flags cannot express; and
 * a call must be able to tell by comparing two numbers, without a lookup.
 */
export class SnapshotCache {
  readonly #views: LRUCache<string, ServiceView>
  readonly #source: Source
  #closed = false

  constructor(source: Source) {
    this.#source = source
    this.#views = new LRUCache({ max: MOST_SERVICES, dispose: (view) => view.suspend() })
  }

  /** The one view that all callers of a service share. */
  view(service: ServiceName): ServiceView {
    const known = this.#views.get(service.host)
    if (known !== undefined) return known
    if (this.#closed) throw new ClosedError('the client')
    const view = new ServiceView(service, this.#source, (used) => this.#views.set(service.host, used))
    this.#views.set(service.host, view)
    return view
  }

  /** Views of the services asked for so far, for `inspect()`. */
  views(): readonly ServiceView[] {
    return [...this.#views.values()]
  }

  /** Ends timers and lookups under way, then the resolver. Views refuse from now on. */
  async close(): Promise<void> {
    this.#closed = true
    for (const view of this.#views.values()) view.close()
    this.#views.clear()
    await this.#source.resolver.close?.()
  }
}
