import {
  checkFunction,
  checkHeaderName,
  checkKeys,
  checkMethods,
  checkNumber,
  checkString,
} from '../core/check/check.ts'
import { systemRandom, type Random } from '../core/clock.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Balancer, KeyedRequest } from './balancer.ts'
import type { Candidate } from './candidate.ts'
import { hashOf, hashOfBoth } from './hash.ts'
import { p2c } from './p2c.ts'

/**
 * Options of `consistentHash`: `header` names the request header whose value is the key, or `key` computes it
 * from the request.
 */
export type ConsistentHashOptions = KeySource & {
  /**
   * How many times the average of pending calls by weight a task may have before its keys go to the next of their
   * tasks, from 1 [2]; `false`: a key stays where it belongs, come what may.
   */
  readonly maxLoad?: number | false | undefined
  /** Picks for calls without a key [`p2c()`]. */
  readonly fallback?: Balancer | undefined
  /** Source of randomness, for tests [the system's]. */
  readonly random?: Random | undefined
}

/** Where the key of a call comes from. One that is missing or empty: the call has none. */
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
 * Not the 1.25 of the paper's authors, who balance all calls of a service: one process sees its own, and what it sees
 * as overload is mostly noise. Of evenly spread keys with 10 tasks and 3 calls pending at each, 75 % reach their own
 * task with 1.25, and 97 % with 2.
 */
const DEFAULT_MAX_LOAD = 2

/**
 * A task that has no more than so many calls of this process under way is not overloaded, whatever the average.
 * Without this, two calls of one user at once would part whenever the process does little else.
 */
const NEVER_OVERLOADED = 4

/**
 * Calls with the same key go to the same task, for as long as it is there: for tasks that keep something in memory
 * by user, document or tenant.
 *
 * Rendezvous hashing: each pair of key and task has a number, and the key goes to the task with the highest. All
 * clients agree without a word; a task that joins takes only what becomes its own, and the keys of one that leaves
 * spread over all the others. Weights count by -weight ÷ ln(number). Attempts after the first go to the next
 * highest, so that the retries of a key meet at one place too.
 * Thaler, Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998; weights:
 * Schindelhauer, Schomaker, "Weighted Distributed Hash Tables", SPAA 2005.
 *
 * One hot key, or many that meet at one task, must not sink it: a task above `maxLoad` times the average is passed
 * over until it is below. Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018.
 * The load is what this process has under way; it does not know of others' calls.
 *
 * A pick goes through all candidates, with two multiplications each, and a logarithm where weights differ; it
 * allocates nothing. The hashes of the tasks' addresses are computed once for each set of candidates. For
 * hundreds of tasks and more, think of a subset.
 * @throws InvalidOptionsError unless there is either a header or a function for the key
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
        known = hashesOf(candidates)
        hashes.set(candidates, known)
      }
      const allowed = pendingAllowed(candidates, maxLoad)
      // Only rounding could leave nobody.
      return highest(candidates, known, hashOf(hint.key), allowed) ?? fallback.pick(candidates, hint)
    },
  }
}

/** Of those that can take one more call, the one with the highest number for the key. */
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
    if (candidate.pending >= NEVER_OVERLOADED && candidate.pending >= Math.ceil(allowedByWeight * weight))
      continue
    const number = hashOfBoth(hashes[i] ?? 0, key)
    if (best === undefined || isHigher(number, weight, bestNumber, best.weight)) {
      best = candidate
      bestNumber = number
    }
  }
  return best
}

/** Compares weight ÷ -ln(u), for u in (0, 1): where weights are equal, that is the order of the numbers. */
function isHigher(number: number, weight: number, otherNumber: number, otherWeight: number): boolean {
  if (weight === otherWeight) return number > otherNumber
  return weight * Math.log((otherNumber + 0.5) / 2 ** 32) < otherWeight * Math.log((number + 0.5) / 2 ** 32)
}

/**
 * How many calls a task may have under way, for each 1 of its weight, the one to be placed among them. The sum over
 * all is more than there are calls, so that there always is one that can take it.
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

function hashesOf(candidates: readonly Candidate[]): Int32Array {
  const hashes = new Int32Array(candidates.length)
  for (let i = 0; i < candidates.length; i++) hashes[i] = hashOf((candidates[i] as Candidate).label)
  return hashes
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

/** An empty key is none: it would send everybody who has no name to the same task. */
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
