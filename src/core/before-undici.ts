/**
 * What happens before undici is loaded: the check of Node's version, and a look at the process's dispatchers. This module
 * imports nothing, and every entry of the package that loads undici imports it first. The build keeps it in a file of its
 * own, so that this order also holds in `dist` and in what a bundler makes of it.
 */

/** As `engines` in package.json. On an older one, undici's import fails with a TypeError that names no version. */
const NODE_NEEDED = [22, 19] as const

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor < NODE_NEEDED[1]))
  throw new Error(
    `onehop needs Node ${NODE_NEEDED.join('.')} or later, and this is Node ${process.versions.node}`,
  )

/** What the built-in `fetch` of Node 22 and 24 goes by, and npm's undici up to version 7. */
export const LEGACY_GLOBAL: symbol = Symbol.for('undici.globalDispatcher.1')
/** What the built-in `fetch` of Node 26 goes by, and npm's undici from version 8 on. */
export const CURRENT_GLOBAL: symbol = Symbol.for('undici.globalDispatcher.2')

/** Both are undefined in a process that has not used `fetch` yet. */
export const legacyBefore: unknown = Reflect.get(globalThis, LEGACY_GLOBAL)
export const currentBefore: unknown = Reflect.get(globalThis, CURRENT_GLOBAL)
