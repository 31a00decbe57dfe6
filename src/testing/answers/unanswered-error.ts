import { OnehopError } from '../../core/errors.ts'

/** `answerWith`: the test has no answer for a request. It is not sent again, and nothing is sent to the network. */
export class UnansweredError extends OnehopError {
  readonly code = 'ONEHOP_UNANSWERED'
  /** In upper case, as it was sent. */
  readonly method: string
  /** With its query. */
  readonly url: string

  constructor(method: string, url: string) {
    super(
      'ONEHOP_UNANSWERED',
      `${method} ${url}: the function given to answerWith() returned undefined for it; return a Response`,
    )
    this.method = method
    this.url = url
  }
}
