import { beforeEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/core/clock.ts'
import { LoopLag } from '../../../src/core/loop-lag.ts'

/** A loop in slow motion: time passes without timers, as while a callback computes, and phases come one by one. */
class Loop implements Clock {
  #now = 1_000
  #timers: { readonly at: number; readonly callback: () => void }[] = []
  #checks: (() => void)[] = []

  now(): number {
    return this.#now
  }

  setTimer(callback: () => void, delayMs: number): { cancel(): void } {
    const timer = { at: this.#now + delayMs, callback }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  afterIo(callback: () => void): void {
    this.#checks.push(callback)
  }

  get timers(): number {
    return this.#timers.length
  }

  compute(ms: number): void {
    this.#now += ms
  }

  /** The phase in which timers fire; sockets are read after it. */
  fireTimers(): void {
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
      this.#timers = this.#timers.filter((other) => other !== timer)
      timer.callback()
    }
  }

  endOfTurn(): void {
    for (const callback of this.#checks.splice(0)) callback()
  }

  /** Turns with nothing to do. */
  idle(ms: number): void {
    for (let passed = 0; passed < ms; passed++) {
      this.compute(1)
      this.fireTimers()
      this.endOfTurn()
    }
  }
}

let loop: Loop
let lag: LoopLag
beforeEach(() => {
  loop = new Loop()
  lag = new LoopLag(loop)
  lag.at(loop.now())
  loop.idle(20)
})

describe('a process', () => {
  test('that was late knows it in the limits of time whose timers fired in the same turn', () => {
    const seen: number[] = []
    const ask = (): void => void seen.push(lag.at(loop.now()))
    loop.setTimer(() => loop.afterIo(ask), 100)
    loop.compute(200)
    loop.fireTimers()
    loop.endOfTurn()
    expect(seen[0]).toBeGreaterThan(190)
    // Not for long.
    loop.idle(3)
    ask()
    expect(seen[1]).toBe(0)
  })

  test('that keeps up is not late', () => {
    for (let i = 0; i < 100; i++) {
      expect(lag.at(loop.now())).toBe(0)
      loop.idle(1)
    }
  })

  test('that computed for 50 ms is late by that with what it reads in the next turn, to 5 ms', () => {
    loop.compute(50)
    loop.fireTimers()
    expect(Math.abs(lag.at(loop.now()) - 50)).toBeLessThanOrEqual(5)
    // Another answer is read after the first was dealt with.
    loop.compute(7)
    expect(Math.abs(lag.at(loop.now()) - 57)).toBeLessThanOrEqual(5)
    loop.endOfTurn()
    loop.idle(1)
    expect(lag.at(loop.now())).toBe(0)
  })

  test('that computes in the turn in which it reads is late before any timer could show it', () => {
    loop.compute(30)
    expect(Math.abs(lag.at(loop.now()) - 30)).toBeLessThanOrEqual(5)
  })

  test('whose timers are late by a hair is not', () => {
    loop.idle(4)
    loop.compute(3)
    loop.fireTimers()
    expect(lag.at(loop.now())).toBe(0)
  })
})

test('stops after a second without questions, and starts again with the next one', () => {
  loop.idle(2_000)
  expect(loop.timers).toBe(0)
  lag.at(loop.now())
  expect(loop.timers).toBe(1)
  loop.compute(40)
  expect(lag.at(loop.now())).toBeGreaterThan(30)
})

test('leaves no timer after close', () => {
  lag.close()
  expect(loop.timers).toBe(0)
  lag.at(loop.now())
  loop.idle(10)
  expect(loop.timers).toBe(0)
})
