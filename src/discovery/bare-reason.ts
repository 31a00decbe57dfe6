import { OnehopError, reasonOf } from '../core/errors.ts'

/** An error's reason for another message about `host`: without the code and the host, which stand there already. */
export function bareReason(host: string, error: unknown): string {
  const reason = reasonOf(error)
  if (!(error instanceof OnehopError)) return reason
  const text = reason.replace(`[${error.code}] `, '')
  return text.startsWith(`${host}: `) ? text.slice(host.length + 2) : text
}
