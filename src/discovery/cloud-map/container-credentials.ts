/**
 * The credentials of the task's role, as ECS hands them out. The SDK's own provider waits for ever for an endpoint that
 * accepts and hangs, and the process with it: all later lookups would wait for that one answer.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pRetry from 'p-retry'
import { dateOf } from '../../core/clock.ts'
import type { BackgroundHttp } from './http.ts'

/** As the SDK takes them. */
export interface TemporaryCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly expiration: Date
}

type Environment = Readonly<Record<string, string | undefined>>

/** "Amazon ECS task IAM role": the address that the relative URI is of. */
const ECS_HOST = 'http://169.254.170.2'

/** Where credentials, and the token of the full URI, may go to without TLS: as the SDKs have it. */
const PLAIN_HOSTS =
  /^(169\.254\.170\.2|169\.254\.170\.23|\[fd00:ec2::23\]|\[::1\]|localhost|127(\.\d{1,3}){3})$/

/** The endpoint refuses early in a task's life: as often as the SDK tries, and sooner. */
const RETRIES = { retries: 3, minTimeout: 250, unref: true }

/**
 * @returns undefined where the SDK would look elsewhere first (keys, profiles, a web identity), or there is no endpoint
 */
export function containerCredentials(
  http: BackgroundHttp,
  env: Environment = process.env,
): (() => Promise<TemporaryCredentials>) | undefined {
  const url = endpointOf(env)
  if (url === undefined || hasOthers(env)) return undefined
  return () => pRetry(() => ask(http, url, env), RETRIES)
}

function endpointOf(env: Environment): URL | undefined {
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const url = URL.parse(
    relative ? `${ECS_HOST}${relative}` : (env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? ''),
  )
  if (url === null) return undefined
  return url.protocol === 'https:' || PLAIN_HOSTS.test(url.hostname) ? url : undefined
}

/** In the order of the SDK's chain these come first. */
function hasOthers(env: Environment): boolean {
  const variables = ['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE']
  if (variables.some((name) => Boolean(env[name]))) return true
  return [
    env['AWS_SHARED_CREDENTIALS_FILE'] ?? join(homedir(), '.aws', 'credentials'),
    env['AWS_CONFIG_FILE'] ?? join(homedir(), '.aws', 'config'),
  ].some((file) => existsSync(file))
}

async function ask(http: BackgroundHttp, url: URL, env: Environment): Promise<TemporaryCredentials> {
  const file = env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']
  const token = file ? (await readFile(file, 'utf8')).trim() : env['AWS_CONTAINER_AUTHORIZATION_TOKEN']
  const { response } = await http.handle({
    protocol: url.protocol,
    hostname: url.hostname,
    port: url.port === '' ? undefined : Number(url.port),
    method: 'GET',
    path: url.pathname + url.search,
    headers: token ? { authorization: token } : {},
  })
  const body = await text(response.body)
  if (response.statusCode !== 200) throw new Error(`${url.origin} answered ${response.statusCode}`)
  return credentialsOf(body, url)
}

function credentialsOf(body: string, url: URL): TemporaryCredentials {
  let read: Readonly<Record<string, unknown>> | null
  try {
    read = JSON.parse(body) as typeof read
  } catch {
    // Text that cannot be parsed may still hold a secret.
    throw new Error(`${url.origin} did not answer with JSON`)
  }
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = read ?? {}
  const expiration = dateOf(String(Expiration))
  const isWhole = [AccessKeyId, SecretAccessKey, Token].every(
    (part) => typeof part === 'string' && part !== '',
  )
  if (!isWhole || expiration === undefined) throw new Error(`${url.origin} answered with no credentials`)
  return {
    accessKeyId: AccessKeyId as string,
    secretAccessKey: SecretAccessKey as string,
    sessionToken: Token as string,
    expiration,
  }
}
