/**
 * A process that has just started, on a small machine: the AWS SDK takes its time to load, or is not there. Reports its first
 * calls, and what it has loaded by then.
 */
import { registerHooks } from 'node:module'
import type { ClientOptions } from 'onehop'

export interface ColdStart {
  readonly options: ClientOptions
  /** Called one after the other, each by several calls at once. */
  readonly urls: readonly (readonly string[])[]
  /** How long the SDK keeps the processor busy when it is loaded; undefined: it is not installed. */
  readonly sdkMs?: number | undefined
  /** Before the first call, after the client has been made. */
  readonly idleMs?: number
  /** Whether the client is closed before the first call. */
  readonly closes?: boolean
}

export interface ColdStarted {
  /** The SDK was loaded when onehop had been imported; at the end of the turn that made the client; before the first call. */
  readonly loaded: { readonly byImport: boolean; readonly byClient: boolean; readonly beforeCall: boolean }
  /** For each of `urls`: the body, or the error's message, and how long it took. */
  readonly calls: readonly (readonly { readonly got: string; readonly ms: number }[])[]
  readonly unhandled: number
  readonly warnings: readonly (string | undefined)[]
}

const SDK = '@aws-sdk/client-servicediscovery'
const { options, urls, sdkMs, idleMs = 0, closes = false } = JSON.parse(process.argv[2] ?? '') as ColdStart
let isRequested = false
let isBusy = false
registerHooks({
  resolve(name, context, next) {
    if (name === SDK) {
      isRequested = true
      if (sdkMs === undefined) throw new Error(`Cannot find package '${SDK}'`)
    }
    // One of those that the SDK requires: the lookup that asked for it waits already.
    if (name.startsWith('@smithy/') && !isBusy) {
      isBusy = true
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, sdkMs)
    }
    return next(name, context)
  },
})
let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const { createClient } = await import('onehop')
const byImport = isRequested
const client = createClient(options)
await new Promise((resolve) => setImmediate(resolve))
const byClient = isRequested
if (idleMs > 0) await new Promise((resolve) => setTimeout(resolve, idleMs))
const beforeCall = isRequested
if (closes) await client.close()

async function timed(url: string): Promise<{ got: string; ms: number }> {
  const begunAt = performance.now()
  const got = await client.fetch(url).then(
    (response) => response.text(),
    (error: Error) => (error.cause as Error | undefined)?.message ?? error.message,
  )
  return { got, ms: Math.round(performance.now() - begunAt) }
}

const calls: ColdStarted['calls'][number][] = []
for (const round of urls) calls.push(await Promise.all(round.map(timed)))
const warnings = Object.values(client.inspect().services).map(({ warning }) => warning)
await client.close()
const told: ColdStarted = { loaded: { byImport, byClient, beforeCall }, calls, unhandled, warnings }
console.log(JSON.stringify(told))
