import { checkHeaderName, checkKeys, checkNumber, checkString } from '../core/check/check.ts'
import { checkFunction, checkMethods } from '../core/check/functions.ts'
import { systemRandom, type Random } from '../core/clock.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Balancer, KeyedRequest } from './balancer.ts'
import type { Candidate } from './candidate.ts'
import { hashOf, hashOfBoth } from './hash.ts'
import { p2c } from './p2c.ts'

/** Options of `consistentHash`: `header` names the request header with the key, or `key` computes it. */
export type ConsistentHashOptions = KeySource & {
  /**
   * A task with more pending calls than this many times the average, by weight, passes its keys on to their next task.
   * From 1 [2]; `false`: no bound.
   */
  readonly maxLoad?: number | false | undefined
  /** Picks for calls without a key [`p2c()`]. */
  readonly fallback?: Balancer | undefined
  /** Source of randomness, for tests [the system's]. */
  readonly random?: Random | undefined
}

/** Where the key of a call comes from. A missing or empty one means that the call has no key. */
type KeySource =
  | {
      /** The header whose value is the key, e.g. `x-user-id`. */
      readonly header: string
      readonly key?: undefined
    }
  | {
      /** Computes the key from the request. */
      readonly key: (request: KeyedRequest) => string | undefined
      readonly header?: undefined
    }

/**
 * The paper's 1.25 is for a balancer that sees all calls of a service. One process sees only its own, and most overload
 * that it sees is noise. Evenly spread keys, 10 tasks, 3 calls pending at each: 75 % reach their own task with 1.25, and
 * 97 % with 2.
 */
const DEFAULT_MAX_LOAD = 2

/**
 * Pending calls of this process up to which a task is not overloaded, whatever the average. Otherwise two simultaneous
 * calls of one user would go to different tasks whenever the process is nearly idle.
 */
const MIN_OVERLOAD = 4

/**
 * Calls with the same key go to the same task, while it is available: for tasks that keep something in memory by user,
 * document or tenant.
 *
 * Rendezvous hashing: each pair of key and task has a number, and the key goes to the task with the highest. All clients
 * agree without communication. A task that joins takes only the keys that become its own, and the keys of a task that
 * leaves spread over all others. Weights count by -weight ÷ ln(number). Retries go to the next highest, so the retries
 * of a key meet at one task, too.
 * Thaler, Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998; weights:
 * Schindelhauer, Schomaker, "Weighted Distributed Hash Tables", SPAA 2005.
 *
 * One hot key, or many that meet at one task, must not overload it: a task above `maxLoad` times the average is passed
 * over until it is below. Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018. The load
 * is this process's pending calls; those of others are unknown.
 *
 * A pick visits all candidates, with two multiplications each, and a logarithm if weights differ. It allocates nothing.
 * The hashes of the tasks' addresses are computed once for each set of candidates. For hundreds of tasks, use a subset.
 * @throws InvalidOptionsError unless exactly one of `header` and `key` is given
 */
export function consistentHash(options: ConsistentHashOptions): Balancer {
  checkKeys('', options, ['header', 'key', 'maxLoad', 'fallback', 'random'])
  const keyOf = keyOfRequests(options)
  const maxLoad = maxLoadOf(options.maxLoad ?? DEFAULT_MAX_LOAD)
  const fallback =
    options.fallback === undefined
      ? p2c({ random: options.random ?? systemRandom })
      : checkMethods<Balancer>('fallback', options.fallback, ['pick'], 'a balancer, e.g. p2c()')
  const hashes = new WeakMap<readonly Candidate[], Int32Array>()
  return {
    keyOf,
    pick(candidates, hint) {
      if (hint.key === undefined) return fallback.pick(candidates, hint)
      if (candidates.length < 2) return candidates[0]
      let known = hashes.get(candidates)
      if (known === undefined) {
        known = Int32Array.from(candidates, ({ label }) => hashOf(label))
        hashes.set(candidates, known)
      }
      const allowed = pendingAllowed(candidates, maxLoad)
      // Only rounding could leave no task below the bound.
      return highest(candidates, known, hashOf(hint.key), allowed) ?? fallback.pick(candidates, hint)
    },
  }
}

/** The candidate with the highest number for the key, of those below the bound. */
function highest(
  candidates: readonly Candidate[],
  hashes: Int32Array,
  key: number,
  allowedByWeight: number,
): Candidate | undefined {
  let best: Candidate | undefined
  let bestNumber = 0
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate
    const { weight } = candidate
    if (candidate.pending >= MIN_OVERLOAD && candidate.pending >= Math.ceil(allowedByWeight * weight))
      continue
    const number = hashOfBoth(hashes[i] ?? 0, key)
    if (best === undefined || isHigher(number, weight, bestNumber, best.weight)) {
      best = candidate
      bestNumber = number
    }
  }
  return best
}

/** Compares weight ÷ -ln(u), for u in (0, 1). With equal weights that is the order of the numbers. */
function isHigher(number: number, weight: number, otherNumber: number, otherWeight: number): boolean {
  if (weight === otherWeight) return number > otherNumber
  return weight * Math.log((otherNumber + 0.5) / 2 ** 32) < otherWeight * Math.log((number + 0.5) / 2 ** 32)
}

/**
 * Pending calls that a task may have for each 1 of its weight, this call included. The sum over all tasks exceeds the
 * number of calls, so there is always a task below the bound.
 */
function pendingAllowed(candidates: readonly Candidate[], maxLoad: number): number {
  if (maxLoad === Number.POSITIVE_INFINITY) return maxLoad
  let pending = 1
  let weight = 0
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate
    pending += candidate.pending
    weight += candidate.weight
  }
  return (maxLoad * pending) / weight
}

function keyOfRequests(options: ConsistentHashOptions): (request: KeyedRequest) => string | undefined {
  const { header, key } = options
  if ((header === undefined) === (key === undefined))
    throw new InvalidOptionsError('balancer', options, 'either header or key')
  if (header !== undefined) {
    const name = checkHeaderName('header', header, 'a header name, e.g. "x-user-id"')
    return (request) => keyFrom(request.header(name))
  }
  const make = checkFunction('key', key, 'a function (request) => string | undefined') as (
    request: KeyedRequest,
  ) => unknown
  return (request) => keyFrom(make(request))
}

/** An empty key is none: otherwise all anonymous callers would share one task. */
function keyFrom(key: unknown): string | undefined {
  if (key === undefined || key === null || key === '') return undefined
  return checkString('key(request)', key, 'a string, or undefined')
}

function maxLoadOf(maxLoad: number | false): number {
  if (maxLoad === false) return Number.POSITIVE_INFINITY
  if (typeof maxLoad !== 'number')
    throw new InvalidOptionsError('maxLoad', maxLoad, 'false, or a number from 1')
  return checkNumber('maxLoad', maxLoad, { min: 1 })
}
