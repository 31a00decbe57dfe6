import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RetryBudget } from '../../../../src/dispatch/retry/budget.ts'

const OPTIONS = { ratio: 0.2, minPerSecond: 10, windowMs: 10_000 }

describe('the retry budget', () => {
  test('allows its reserve without any calls', () => {
    const budget = new RetryBudget(OPTIONS, 0)
    let granted = 0
    while (budget.tryWithdraw(0)) granted++
    expect(granted).toBe(100)
  })

  test('grows by a fifth of a retry for each call', () => {
    const budget = new RetryBudget({ ...OPTIONS, minPerSecond: 0 }, 0)
    for (let call = 0; call < 50; call++) budget.deposit(0)
    let granted = 0
    while (budget.tryWithdraw(0)) granted++
    expect(granted).toBe(10)
  })

  test('forgets calls and retries after its window', () => {
    const budget = new RetryBudget(OPTIONS, 0)
    for (let call = 0; call < 500; call++) budget.deposit(0)
    while (budget.tryWithdraw(0));
    expect(budget.tryWithdraw(9_999)).toBe(false)
    expect(budget.balance(10_000)).toBe(100)
  })

  test('never gives out more within a window than its reserve and its share of the calls', () => {
    const step = fc.record({ waitMs: fc.integer({ min: 0, max: 3_000 }), call: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const budget = new RetryBudget(OPTIONS, 0)
        const calls: number[] = []
        const retries: number[] = []
        let now = 0
        for (const { waitMs, call } of steps) {
          now += waitMs
          if (call) {
            budget.deposit(now)
            calls.push(now)
          } else if (budget.tryWithdraw(now)) retries.push(now)
          // Slots are a tenth of the window: a retry may be forgotten one slot before the window is over.
          const since = now - 9_000
          const spent = retries.filter((at) => at > since).length
          const paid = calls.filter((at) => at > now - 11_000).length
          if (spent > 100 + 0.2 * paid + 1e-9) return false
        }
        return true
      }),
    )
  })
})
