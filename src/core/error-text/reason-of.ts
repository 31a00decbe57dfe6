import { types } from 'node:util'
import { withoutUserInfo } from '../check/given.ts'

/** An error's code where it has one, since that is what operators search for; its message else. In one line. */
export function reasonOf(error: unknown): string {
  try {
    if (!isError(error)) return withoutUserInfo(String(error))
    const { code } = error as NodeJS.ErrnoException
    const message = messageOf(error)
    if (message === '') return code ?? error.name
    return code !== undefined && !message.includes(code) ? `${code} ${message}` : message
  } catch {
    // Anything can be thrown, also an object that has no text.
    return 'an error without text'
  }
}

/** Also of another realm: in Jest and `node:vm`, the errors of Node's own modules are. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value)
}

/** Node's advice on certificates is of no use here, where the connection has options of its own. */
const NODES_ADVICE = /; if the root CA is installed locally, try running Node\.js with --use-system-ca$/

function messageOf(error: Error): string {
  // OpenSSL's own: file names, line numbers, and a line break.
  const { reason } = error as { reason?: unknown }
  if (typeof reason === 'string' && /error:[0-9A-F]{8}:/.test(error.message)) return reason
  return withoutUserInfo(error.message.replaceAll(/\s+/g, ' ').trim().replace(NODES_ADVICE, ''))
}
