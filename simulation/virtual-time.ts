import type { Clock, Timer } from '../src/core/clock.ts'

interface Event extends Timer {
  readonly at: number
  readonly order: number
  callback: (() => void) | undefined
}

/** Time that jumps from event to event: minutes of a fleet take a second, and every run is the same. */
export class VirtualTime implements Clock {
  #now = 0
  #order = 0
  /** A binary heap: the earliest event first; at the same moment, the one that was set first. */
  readonly #events: Event[] = []

  now(): number {
    return this.#now
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const event: Event = {
      at: this.#now + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      cancel() {
        event.callback = undefined
      },
    }
    this.#push(event)
    return event
  }

  /** Events are never late here. */
  afterIo(callback: () => void): void {
    this.setTimer(callback, 0)
  }

  runUntil(ms: number): void {
    while (this.runNext(ms));
  }

  /** Runs one event, so that promises can settle before the next. @returns false when there is none until then */
  runNext(untilMs: number): boolean {
    const next = this.#events[0]
    if (next === undefined || next.at > untilMs) {
      this.#now = untilMs
      return false
    }
    this.#pop()
    this.#now = next.at
    next.callback?.()
    return true
  }

  #push(event: Event): void {
    const events = this.#events
    let index = events.length
    events.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(event, events[parent] as Event)) break
      events[index] = events[parent] as Event
      index = parent
    }
    events[index] = event
  }

  #pop(): void {
    const events = this.#events
    const last = events.pop()
    if (last === undefined || events.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= events.length) break
      if (child + 1 < events.length && isBefore(events[child + 1] as Event, events[child] as Event)) child++
      if (!isBefore(events[child] as Event, last)) break
      events[index] = events[child] as Event
      index = child
    }
    events[index] = last
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
