/**
 * Values from users in messages: enough to find the mistake, and no secret. Messages end up in logs, and a wrong option
 * may hold anything: a password in a URL, a private key instead of its file name.
 */
import { types } from 'node:util'

/**
 * Stands for the value of an unknown option, which can be anything, a secret too, and is not shown. The same in each bundle of
 * the package.
 */
export const NO_SUCH_OPTION: unique symbol = Symbol.for('onehop.no such option')

/** The last names of paths whose values are never shown. */
const SECRET_NAME =
  /pass(word|phrase|wd)?$|secret|token|credential|authorization|cookie|api_?key|private|pfx|ticketkeys|(^|\.)(key|session)(\[\d+\])?$/i
/** Values that are secrets whatever the option: PEM, AWS key ids, bearer tokens, JWTs. */
const SECRET_VALUE = /-----BEGIN|\b(AKIA|ASIA)[A-Z0-9]{12}|\b(Bearer|Basic)\s|\beyJ[\w-]{10,}\./
/** The part before the last `@` of a URL, or of a text that was meant as one. */
const USER_INFO = /((?:[a-z][a-z\d+.-]*:)?\/\/)?[^\s"]*@/gi
const QUERY = /(:\/\/[^\s"?#]*)[?#][^\s"]*/g
const MAX_SHOWN = 80
/** Longer texts are not searched for secrets, and not shown. */
const MAX_READ = 1_000

/** Removes the credentials of URLs from a text of others, such as an error's message. */
export function withoutUserInfo(text: string): string {
  return text.replaceAll(/(:\/\/)[^\s"'/]+@/g, '$1***@')
}

/** Removes credentials and queries of URLs, and of texts that were meant as one. */
export function withoutSecrets(text: string): string {
  if (text.length > MAX_READ) return `a text of ${text.length} characters`
  return text.replaceAll(USER_INFO, '$1***@').replaceAll(QUERY, '$1?***')
}

/** @param path of the option: values of `cloudMap.credentials.secretAccessKey` and the like are not shown */
export function describeGiven(path: string, value: unknown): string {
  if (value === undefined || value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object') return describeObject(value)
  // Names of services are not option names.
  if (SECRET_NAME.test(path.replaceAll(/\["[^"]*"\]/g, ''))) return `a ${typeof value} that is not shown`
  if (typeof value === 'string') return describeText(value)
  if (typeof value === 'number') return String(value)
  return typeof value === 'bigint' ? `${value}n` : 'a symbol'
}

function describeText(text: string): string {
  if (text.length > MAX_READ || SECRET_VALUE.test(text)) return 'a string that is not shown'
  return shortened(JSON.stringify(withoutSecrets(text)))
}

/** Its keys only: a value may be a secret. */
function describeObject(value: object): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `an array of ${value.length}`
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null
  if (types.isPromise(value)) return 'a promise'
  if (!isPlain) return `an instance of ${value.constructor.name}`
  const keys = Object.keys(value)
  return keys.length === 0 ? '{}' : `an object of ${shortened(withoutSecrets(keys.join(', ')))}`
}

function shortened(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}...` : text
}
