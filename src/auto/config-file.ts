import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { describeGiven } from '../core/check/given.ts'
import type { ClientOptions } from '../index.ts'
import type { InstallOptions } from '../install/index.ts'
import { messageOf, WrongSetting } from './wrong-setting.ts'

/** The default export of the file that `ONEHOP_CONFIG` names: options of `createClient` and of `install` side by side. */
export type AutoConfig = ClientOptions & InstallOptions

/**
 * Reads the file of `ONEHOP_CONFIG`: JSON, or the default export of a module. Modules are required, and not imported, so that the
 * options are there before the application begins; Node's `require` takes ESM, CommonJS and (from 22.18 on) TypeScript.
 * @param path from the folder that the process was started in
 * @throws WrongSetting
 */
export function readConfig(path: string): AutoConfig {
  const file = resolve(path)
  const options = /\.json$/i.test(file) ? jsonOf(file) : defaultExportOf(file)
  if (typeof options !== 'object' || options === null || Array.isArray(options) || options instanceof Promise)
    throw wrong(file, `its default export is ${describeGiven('', options)}; it must be an object of options`)
  return options
}

function jsonOf(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw wrong(file, (error as Error).message)
  }
  try {
    // Editors on Windows write a byte order mark.
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    // The error quotes the file, and so maybe a secret.
    throw wrong(file, 'it is not valid JSON')
  }
}

function defaultExportOf(file: string): unknown {
  try {
    const exports = createRequire(file)(file) as unknown
    return isModule(exports) ? exports.default : exports
  } catch (error) {
    if (!(error instanceof Error)) throw wrong(file, `${describeGiven('', error)} was thrown`)
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_REQUIRE_ASYNC_MODULE')
      throw wrong(file, 'a module with a top-level await cannot be read before the application starts')
    // The first line: Node adds the stack of its own `require`.
    throw wrong(file, messageOf(error).split('\n')[0] ?? '')
  }
}

/** ESM, or what compilers make of it. */
function isModule(exports: unknown): exports is { readonly default: unknown } {
  if (typeof exports !== 'object' || exports === null) return false
  return '__esModule' in exports || (exports as Record<symbol, unknown>)[Symbol.toStringTag] === 'Module'
}

function wrong(file: string, reason: string): WrongSetting {
  return new WrongSetting(`ONEHOP_CONFIG: cannot use "${file}": ${reason}`)
}
