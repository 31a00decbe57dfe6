import { LRUCache } from 'lru-cache'
import { keepAlive } from '../core/clock.ts'
import { ClosedError } from '../core/errors.ts'
import { inTime } from '../core/async/with-timeout.ts'
import type { ServiceName } from './service-name.ts'
import { ServiceView, type Source } from './view/service-view.ts'

/** Services that are known but not called; beyond that the least recently asked for is forgotten. */
const MAX_SERVICES = 1_000
/** A resolver may be the user's own: its `close` must not hold up that of the client for ever. */
const CLOSE_LIMIT_MS = 5_000

/**
 * The views of all services, one each.
 *
 * Why `lru-cache` holds views and not snapshots: what may be served, and until when, depends on whether the
 * name is in use and on what the last lookups said (docs/decisions/002), which its flags cannot express; and
 * a call must be able to decide by comparing two numbers, without a lookup. Views that routes hold are not in it:
 * calls do not pass by here, so it could not know which are the hot ones.
 */
export class SnapshotCache {
  readonly #source: Source
  readonly #held = new Map<string, { readonly view: ServiceView; holders: number }>()
  readonly #others: LRUCache<string, ServiceView>
  #closing: Promise<void> | undefined

  constructor(source: Source) {
    this.#source = source
    this.#others = new LRUCache({
      max: MAX_SERVICES,
      dispose: (view, _host, reason) => {
        if (reason === 'evict') view.suspend()
      },
    })
  }

  /** The one view that all callers of a service share. */
  view(service: ServiceName): ServiceView {
    const known = this.#held.get(service.host)?.view ?? this.#others.get(service.host)
    if (known !== undefined) return known
    if (this.#closing !== undefined) throw new ClosedError('the client')
    const view = new ServiceView(service, this.#source)
    this.#others.set(service.host, view)
    return view
  }

  /** The same, not to be forgotten until it is released as often as it was held. */
  hold(service: ServiceName): ServiceView {
    const held = this.#held.get(service.host) ?? { view: this.view(service), holders: 0 }
    held.holders++
    this.#held.set(service.host, held)
    this.#others.delete(service.host)
    return held.view
  }

  release(service: ServiceName): void {
    const held = this.#held.get(service.host)
    if (held === undefined || --held.holders > 0) return
    this.#held.delete(service.host)
    this.#others.set(service.host, held.view)
  }

  /** All that are known, for `inspect()`. */
  views(): readonly ServiceView[] {
    return [...Array.from(this.#held.values(), ({ view }) => view), ...this.#others.values()]
  }

  /**
   * Ends timers and lookups under way, then the resolver. Views refuse from now on. A second time it is the same close.
   * @throws what the resolver's own `close` throws, and an Error when that takes too long
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // They are still reported as long as calls are under way with what they knew last.
    for (const view of this.views()) view.close()
    const { resolver, clock } = this.#source
    const waiting = keepAlive(clock)
    const late = (): Error => new Error(`close() of the resolver was not done in ${CLOSE_LIMIT_MS} ms`)
    await inTime({ clock, limitMs: CLOSE_LIMIT_MS, late }, async () => resolver.close?.()).finally(() =>
      waiting.cancel(),
    )
  }

  /** To be called when no call is under way any more. */
  forget(): void {
    this.#held.clear()
    this.#others.clear()
  }
}
