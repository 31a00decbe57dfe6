import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ResolutionFailedError } from '../../src/core/errors.ts'
import { lookUpAddresses, lookUpServices, type Ask, type Found } from '../../src/discovery/dns/lookup.ts'
import { decodeAnswer, type DnsAnswer, type DnsType } from '../../src/discovery/dns/wire/message.ts'
import { CORPUS, NAME, QUESTION } from './dns-corpus.ts'
import { mutant, type Mutant } from './dns-mutations.ts'
import { fuzzAsync } from './fuzz.ts'
import { throughGuard } from './sound.ts'

const NOTHING: DnsAnswer = {
  rcode: 'NXDOMAIN',
  truncated: false,
  answers: [],
  authorities: [],
  additionals: [],
}

/**
 * Each target costs at most the questions for A and AAAA along eight aliases each; messages of the corpus name 40
 * targets, and a duplicate or a splice doubles that at most, four times.
 */
const MAX_QUESTIONS = 40 * 2 ** 4 * 2 * 8

/** Answers with the mutants of messages for the question in turn, and with the whole message after those. */
function server(mutants: readonly Mutant[]): Ask {
  let questions = 0
  return async (name, type) => {
    if (++questions > MAX_QUESTIONS) throw new TypeError('asks without an end')
    const fitting = (message: Mutant['original']): boolean =>
      message.question.name === name && message.question.type === type
    const mutated = mutants.filter(({ original }) => fitting(original))
    const chosen = mutated[questions % Math.max(1, mutated.length)]
    const whole = CORPUS.find(fitting)
    const bytes = chosen?.bytes ?? whole?.bytes
    if (bytes === undefined) return NOTHING
    return readLikeTheStub(bytes, name, type)
  }
}

/** What cannot be read, and what is waited for and never heard, are errors. */
function readLikeTheStub(bytes: Buffer, name: string, type: DnsType): DnsAnswer {
  let answer: DnsAnswer | undefined
  try {
    answer = decodeAnswer(bytes, { id: QUESTION.id, name, type })
  } catch (error) {
    throw new ResolutionFailedError(name, 'sent a malformed answer', error)
  }
  if (answer === undefined || answer.truncated) throw new ResolutionFailedError(name, 'gave no answer')
  return answer
}

const LOOK_UPS: readonly ((ask: Ask) => Promise<Found>)[] = [
  (ask) => lookUpAddresses(ask, NAME, 'A'),
  (ask) => lookUpAddresses(ask, NAME, 'AAAA'),
  (ask) => lookUpServices(ask, NAME, ['A', 'AAAA']),
  (ask) => lookUpServices(ask, NAME, ['AAAA']),
]

test('what comes of broken answers is sound, or an error', async () => {
  const seen = { cases: 0, found: 0, passed: 0 }
  await fuzzAsync(
    40_000,
    fc.asyncProperty(
      fc.array(mutant, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(...LOOK_UPS),
      async (mutants, lookUp) => {
        seen.cases++
        const found = await lookUp(server(mutants)).catch((error: unknown) => {
          // A TypeError, RangeError or the like is a crash; the resolver tells the others as they are.
          if (error instanceof ResolutionFailedError) return undefined
          if (error instanceof Error && error.constructor === Error) return undefined
          throw error
        })
        if (found === undefined) return
        expect(found.ttlMs).toBeGreaterThanOrEqual(0)
        if (found.endpoints.length === 0) return
        seen.found++
        const snapshot = await throughGuard(found.endpoints, 'dns')
        if (snapshot !== undefined) seen.passed++
      },
    ),
  )
  expect(seen.found / seen.cases).toBeGreaterThan(0.3)
  expect(seen.passed / seen.cases).toBeGreaterThan(0.3)
})
