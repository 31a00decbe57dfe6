/**
 * The process's dispatchers as they were before undici was loaded. This module imports nothing, and every entry of the
 * package imports it before undici. The build keeps it in a file of its own, so that this order also holds in `dist`
 * and in what a bundler makes of it.
 */

/** What the built-in `fetch` of Node 22 and 24 goes by, and npm's undici up to version 7. */
export const LEGACY_GLOBAL: symbol = Symbol.for('undici.globalDispatcher.1')
/** What the built-in `fetch` of Node 26 goes by, and npm's undici from version 8 on. */
export const CURRENT_GLOBAL: symbol = Symbol.for('undici.globalDispatcher.2')

/** Both are undefined in a process that has not used `fetch` yet. */
export const legacyBefore: unknown = Reflect.get(globalThis, LEGACY_GLOBAL)
export const currentBefore: unknown = Reflect.get(globalThis, CURRENT_GLOBAL)
