/** Variables that ECS, or the task definition, sets. */
import { checkPort } from '../core/check/check.ts'
import { InvalidOptionsError } from '../core/errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** No `checkRecord`: `process.env` is not a plain object. */
export function checkEnv(path: string, value: unknown): Environment {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidOptionsError(path, value, 'an object such as process.env')
  return value as Environment
}

/** Empty is unset: that is how variables are taken away in task definitions and in shells. */
export function variable(env: Environment, name: string): string | undefined {
  const value: unknown = env[name]
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string') throw new InvalidOptionsError(`env.${name}`, value, 'a string')
  return value
}

/** An http URL without slashes at its end. */
export function urlFrom(env: Environment, name: string): string | undefined {
  const text = variable(env, name)
  if (text === undefined) return undefined
  const protocol = URL.parse(text)?.protocol
  if (protocol !== 'http:' && protocol !== 'https:') throw new InvalidOptionsError(name, text, 'an http URL')
  return text.replace(/\/+$/, '')
}

/** `PORT`, where it is a number; undefined where it is unset, or the path of a Unix socket or a pipe. */
export function portFrom(env: Environment): number | undefined {
  const text = variable(env, 'PORT')
  if (text === undefined || /[/\\]/.test(text)) return undefined
  if (!/^\d+$/.test(text))
    throw new InvalidOptionsError('PORT', text, 'an integer from 1 to 65535, or the path of a socket')
  return checkPort('PORT', Number(text))
}
