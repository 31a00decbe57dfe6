/**
 * Switches an application on without a change of its code: `node --import onehop/auto app.js`, or `NODE_OPTIONS`.
 *
 * This module is small, and loads nothing of the library before the settings are read. `environment.ts` has the variables,
 * `config-file.ts` the file of `ONEHOP_CONFIG`, `package-managers.ts` what is left alone. `start.ts` makes the client and installs
 * it. All of it is synchronous: it is done before the first line of the application.
 * @module onehop/auto
 */
import { writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { readConfig } from './config-file.ts'
import { isDisabled, readEnvironment, unknownVariables, type Environment } from './environment.ts'
import { isPackageManager } from './package-managers.ts'
import type * as Start from './start.ts'
import { messageOf } from './wrong-setting.ts'

export type { AutoConfig } from './config-file.ts'

/** Of the process: `NODE_OPTIONS` and a flag may both name this module, in two installed copies. */
const STARTED = Symbol.for('onehop.auto')

if (!Reflect.has(globalThis, STARTED) && !isPackageManager(process.argv[1])) {
  Object.defineProperty(globalThis, STARTED, { value: true })
  begin()
}

function begin(): void {
  const goesOn = process.env['ONEHOP_ON_ERROR']?.trim() === 'continue'
  try {
    if (isDisabled(process.env)) return
    const environment = readEnvironment(process.env)
    for (const warning of unknownVariables(process.env)) warn(warning)
    if (environment.namesNothing || !start(environment))
      warn(
        'none of ONEHOP_NAMESPACES, ONEHOP_FALLBACKS and ONEHOP_CONFIG names a host or a namespace: onehop intercepts no calls',
      )
  } catch (error) {
    const message = messageOf(error)
    if (!goesOn) stop(message)
    warn(`${message}. The process goes on without onehop.`)
  }
}

function start(environment: Environment): boolean {
  // Node's undici makes its own dispatcher only where none is there yet: npm's undici must not come first.
  if (environment.install.fetch !== false) Reflect.get(globalThis, 'Headers')
  const file = environment.config === undefined ? {} : readConfig(environment.config)
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const loaded = createRequire(import.meta.url)(`./start${extension}`) as Pick<typeof Start, 'start'>
  return loaded.start(environment, file)
}

function warn(message: string): void {
  // Workers have the same environment.
  if (isMainThread)
    process.emitWarning(`onehop/auto: ${message}`, { type: 'OnehopWarning', code: 'ONEHOP_AUTO' })
}

/** Not by an exception, whose stack would hide the message. */
function stop(message: string): never {
  writeSync(2, `onehop/auto: ${message}. With ONEHOP_ON_ERROR=continue the process starts without onehop.\n`)
  process.exit(1)
}
