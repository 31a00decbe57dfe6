import type { Client } from '../../index.ts'
import { checkFunction } from '../../core/check/functions.ts'
import { clientOver, type ClientOverOptions } from './client-over.ts'
import { UnansweredError } from './unanswered-error.ts'

/** Answers a request; undefined if the test has no answer for it. What it throws is the failure of the attempt. */
export type Answer = (
  request: globalThis.Request,
) => globalThis.Response | undefined | Promise<globalThis.Response | undefined>

/** A client whose requests the test answers. */
export interface AnsweredClient extends Client {
  /** What was sent so far, in order, with retries and redirects. Each has its own body to read. */
  readonly requests: readonly globalThis.Request[]
}

/**
 * {@link clientOver} a function of the test. A request that it does not answer fails with `UnansweredError`, and never
 * goes to the network. With msw's handlers: `answerWith((request) => getResponse(handlers, request))`.
 * @throws InvalidOptionsError as `clientOver`
 */
export function answerWith(answer: Answer, options: ClientOverOptions = {}): AnsweredClient {
  checkFunction('answer', answer, 'a function (request) => Response | undefined, or a promise of it')
  const requests: globalThis.Request[] = []
  const client = clientOver(async (request: globalThis.Request) => {
    requests.push(request.clone())
    const response = (await answer(request)) ?? undefined
    if (response === undefined) throw new UnansweredError(request.method, request.url)
    return response
  }, options)
  return { ...client, requests }
}
