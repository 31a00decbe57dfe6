/**
 * What Connect knows of a call and its HTTP client does not: whether it is a stream, and whether it may be sent again.
 * The interceptor notes both for the headers of the call, which Connect passes on as the same object.
 */
import type { InterceptedCall } from './protocol-types.ts'

/** How a call may be sent. */
export interface CallKind {
  readonly stream: boolean
  readonly idempotent: boolean
}

const NO_SIDE_EFFECTS = 1
const IDEMPOTENT = 2

const kinds = new WeakMap<Headers, CallKind>()

/** undefined: the call did not pass the interceptor. */
export function kindOf(header: Headers): CallKind | undefined {
  return kinds.get(header)
}

/**
 * An interceptor for Connect's transports: calls with an `idempotency_level` of `NO_SIDE_EFFECTS` or `IDEMPOTENT` may be sent
 * again, and streams have no limit to their response headers. Put it last, so that no other one replaces the headers.
 */
export function callKinds<Call extends InterceptedCall, Answer>(
  next: (call: Call) => Promise<Answer>,
): (call: Call) => Promise<Answer> {
  return (call) => {
    const { idempotency } = call.method
    const idempotent = idempotency === NO_SIDE_EFFECTS || idempotency === IDEMPOTENT
    kinds.set(call.header, { stream: call.stream, idempotent })
    return next(call)
  }
}
