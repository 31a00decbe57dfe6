/** Nothing that answers the question came from a server in time. */
export class SilentError extends Error {}

/** The server is there, and answered; only not this question. */
export class AnsweredError extends Error {}

/** It could not find out, and may at the next try: RFC 1035 section 4.1.1 calls SERVFAIL a failure of the server. */
export class TemporaryError extends AnsweredError {}
