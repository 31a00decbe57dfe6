/** Parts of requests that several commands take: what is wrong with one is reported before anything is sent. */
import { UsageError, wrongValue } from './option.ts'

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/
/** RFC 9110 section 5.5, and Latin-1, which Node sends. */
const FIELD_VALUE = /^[\t\u0020-\u007E\u0080-\u00FF]*$/

/**
 * `name: value`
 * @throws UsageError, whose message does not have the value: it may be a secret
 */
export function headerOf(given: string): readonly [name: string, value: string] {
  const colon = given.indexOf(':')
  const name = given.slice(0, Math.max(0, colon)).trim()
  const value = given.slice(colon + 1).trim()
  if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) throw new UsageError('--header: allowed: NAME:VALUE')
  return [name, value]
}

/** For reports and messages. */
export function withoutHeaderValue(given: string): string {
  return given.includes(':') ? `${given.slice(0, given.indexOf(':'))}:…` : '…'
}

/** @throws Error whose message says what is allowed */
export function methodOf(given: string): string {
  if (!TOKEN.test(given)) throw new Error('a method, e.g. GET or POST')
  return given.toUpperCase()
}

/** @throws UsageError for what is not the URL of a service, or has credentials, which are not sent */
export function serviceUrlOf(given: string): URL {
  const url = URL.parse(given)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw wrongValue('URL', given, 'an http or https URL, e.g. http://orders.shop.local:8080/health')
  if (url.username !== '' || url.password !== '')
    throw new UsageError('URL: a user and a password are not sent; give --header authorization:...')
  return url
}

/** Whether its host is an address, and not the name of a service. */
export function hasAddress({ hostname }: URL): boolean {
  return process.getBuiltinModule('node:net').isIP(hostname.replaceAll(/[[\]]/g, '')) !== 0
}

/** For reports and messages, as it was written: a URL object would have other characters. */
export function withoutQuery(url: string): string {
  return url.replace(/\?.+/s, '?…')
}
