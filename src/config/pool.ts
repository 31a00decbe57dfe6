import { Client, type Pool } from 'undici'
import { checkBoolean, checkKeys, checkMs, checkNumber, checkString, keyPath } from '../core/check/check.ts'
import { InvalidOptionsError, reasonOf } from '../core/errors.ts'

/** Options of undici 8's `Pool` and `Client` that the library passes on. */
const POOL_KEYS = [
  ...['connections', 'clientTtl', 'pipelining', 'maxRequestsPerClient', 'localAddress'],
  ...['connect', 'connectTimeout', 'maxCachedSessions', 'autoSelectFamily', 'autoSelectFamilyAttemptTimeout'],
  ...['headersTimeout', 'bodyTimeout', 'maxHeaderSize', 'maxResponseSize', 'strictContentLength'],
  ...['keepAliveTimeout', 'keepAliveMaxTimeout', 'keepAliveTimeoutThreshold', 'useMilo'],
  ...['allowH2', 'useH2c', 'h2Options', 'maxConcurrentStreams', 'initialWindowSize', 'connectionWindowSize'],
  ...['pingInterval', 'webSocket', 'eventSource'],
] as const

/** Options of undici that cannot hold here, and why. */
const NOT_HERE: Readonly<Record<string, string>> = {
  factory: 'nothing: each task has an undici Pool',
  socketPath: 'nothing: tasks are reached by address and port',
  tls: 'nothing: options for TLS belong into connect',
}

/** Options of `net.connect`, `tls.connect`, `tls.createSecureContext`, and undici's connector. */
const CONNECT_KEYS = [
  ...['ca', 'cert', 'key', 'passphrase', 'pfx', 'crl', 'servername'],
  ...['rejectUnauthorized', 'checkServerIdentity', 'minVersion', 'maxVersion', 'secureProtocol', 'ciphers'],
  ...['sigalgs', 'ecdhCurve', 'dhparam', 'minDHSize', 'honorCipherOrder'],
  ...['secureOptions', 'secureContext', 'session', 'sessionIdContext', 'sessionTimeout', 'ticketKeys'],
  ...['allowPartialTrustChain', 'requestOCSP', 'pskCallback', 'enableTrace', 'clientCertEngine'],
  ...['privateKeyEngine', 'privateKeyIdentifier', 'lookup', 'family', 'hints', 'localAddress', 'localPort'],
  ...['autoSelectFamily', 'autoSelectFamilyAttemptTimeout'],
  ...['blockList', 'highWaterMark', 'keepAlive', 'keepAliveInitialDelay', 'noDelay', 'typeOfService'],
  ...['timeout', 'maxCachedSessions', 'preferH2'],
]

/** Those that show mistakes in a context made of them. */
const TLS_KEYS = [
  ...['ca', 'cert', 'key', 'pfx', 'crl'],
  ...['ciphers', 'sigalgs', 'ecdhCurve', 'minVersion', 'maxVersion'],
]

/** Options that the types allow and the connector would overwrite, and where the value comes from. */
const NOT_IN_CONNECT: Readonly<Record<string, string>> = {
  host: 'nothing: the address is the one that discovery names',
  port: 'nothing: the port is the one that discovery, the URL or the option port names',
  path: 'nothing: tasks are reached by address and port',
  socketPath: 'nothing: tasks are reached by address and port',
  socket: 'nothing: each connection has a socket of its own',
  ALPNProtocols: 'nothing: allowH2 beside connect says whether HTTP/2 is offered',
  allowH2: 'nothing: allowH2 belongs beside connect',
  useH2c: 'nothing: useH2c belongs beside connect',
}

/** For these, null means no limit. */
const NULLABLE = new Set(['connections', 'clientTtl'])

/** @returns the options that are given; undefined ones are left out, since they would undo defaults */
export function poolSettings(path: string, value: unknown): Pool.Options {
  if (value === undefined) return {}
  refuse(path, value, NOT_HERE)
  const written = checkKeys(path, value, POOL_KEYS)
  // undici takes null for undefined.
  const isGiven = ([key, option]: [string, unknown]): boolean =>
    option !== undefined && (option !== null || NULLABLE.has(key))
  const pool = Object.fromEntries(Object.entries(written).filter(isGiven))
  for (const [key, option] of Object.entries(pool)) checkPoolOption(keyPath(path, key), key, option)
  return pool
}

function checkPoolOption(path: string, key: string, value: unknown): void {
  switch (key) {
    case 'connections':
    case 'clientTtl':
      if (value !== null) checkLimit(path, value, key === 'connections')
      break
    case 'pipelining':
      if (checkNumber(path, value, { min: 0, integer: true }) > 1) warnOfPipelining(path)
      break
    case 'connect':
      checkConnect(path, value)
      break
    case 'strictContentLength':
    case 'autoSelectFamily':
    case 'useH2c':
      checkBoolean(path, value)
      break
    default:
      checkByUndici(path, key, value)
  }
}

function checkLimit(path: string, value: unknown, integer: boolean): void {
  if (typeof value !== 'number')
    throw new InvalidOptionsError(path, value, `null, or ${integer ? 'an integer' : 'a number'} from 0`)
  checkNumber(path, value, { min: 0, integer })
}

/** Seen with undici 8.12: an aborted call fails those behind it on its connection with `ERR_ASSERTION`. */
function warnOfPipelining(path: string): void {
  process.emitWarning(
    `${path}: with more than 1, calls that share a connection fail with one of them that is aborted (ERR_ASSERTION in undici)`,
    { type: 'OnehopWarning', code: 'ONEHOP_PIPELINING' },
  )
}

/** undici's `Client` checks most options itself, and opens no connection before its first request. */
function checkByUndici(path: string, key: string, value: unknown): void {
  try {
    void new Client('http://localhost', { [key]: value }).destroy()
  } catch (error) {
    throw new InvalidOptionsError(path, value, `what undici takes there (${reasonOf(error)})`)
  }
}

function checkConnect(path: string, value: unknown): void {
  if (typeof value === 'function') return
  refuse(path, value, NOT_IN_CONNECT)
  const connect = checkKeys(path, value, CONNECT_KEYS, 'a connector of undici, e.g. of its buildConnector()')
  const { timeout, rejectUnauthorized, servername, passphrase } = connect
  const at = (key: string): string => keyPath(path, key)
  if (timeout !== undefined && timeout !== null) checkMs(at('timeout'), timeout)
  if (rejectUnauthorized !== undefined) checkBoolean(at('rejectUnauthorized'), rejectUnauthorized)
  if (servername !== undefined) checkString(at('servername'), servername)
  if (passphrase !== undefined) checkString(at('passphrase'), passphrase)
  checkPem(at('ca'), connect['ca'])
  checkPem(at('cert'), connect['cert'])
  checkSecureContext(path, connect)
}

/** Node accepts any text as CA, and then trusts no certificate. Often the text is the path of a file. */
function checkPem(path: string, value: unknown): void {
  const texts = Array.isArray(value) ? value : [value]
  for (const text of texts)
    if (typeof text === 'string' && !text.includes('-----BEGIN'))
      throw new InvalidOptionsError(path, text, 'a certificate in PEM; read the file where it is one')
}

function checkSecureContext(path: string, connect: Readonly<Record<string, unknown>>): void {
  const tls = process.getBuiltinModule('node:tls')
  try {
    if (TLS_KEYS.some((key) => connect[key] !== undefined)) tls.createSecureContext(connect)
  } catch (error) {
    // Node's messages end with the value that was received, which may be a secret.
    const reason = reasonOf(error).replace(/\.? Received .*$/, '')
    throw new InvalidOptionsError(path, connect, `what Node takes for TLS (${reason})`)
  }
}

function refuse(path: string, value: unknown, refused: Readonly<Record<string, string>>): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, allowed] of Object.entries(refused)) {
    const given = (value as Record<string, unknown>)[key]
    if (given !== undefined) throw new InvalidOptionsError(keyPath(path, key), given, allowed)
  }
}
